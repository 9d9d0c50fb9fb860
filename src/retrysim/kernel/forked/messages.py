"""The kinds of messages between a child and its parent."""

#: child to parent: it waits; (when it is due, when that keeps the run alive, shared conditions, for what, outcome)
WAIT = 1
#: child to parent: call a method of a service; (service, method, args, kwargs)
CALL = 2
#: parent to child: the value that was asked for, or the error; (value, time, what there is to tell)
ANSWER, ERROR = 3, 4
#: parent to child, which has asked for something else: answer this first
QUESTION = 5

#: What a parent has to tell: an order, a signal, a shared condition that was notified, a clock that is set.
ORDER, SIGNAL, NOTIFIED, SKEW = "order", "signal", "notified", "skew"
