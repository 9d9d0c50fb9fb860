"""Every error that retrysim raises, as one tree::

    RetrysimError
    ├── InputError            what was given is wrong; the message says what was expected (CLI: exit 2)
    │   ├── DurationError     a text or number that is not a valid duration
    │   ├── LimitError        a rate limit that is none, or that can never be met
    │   ├── FakeError         a fake that cannot be made or mounted as asked
    │   ├── ScenarioError     a scenario file, with file:line:column
    │   └── AppError          the Celery app cannot be found, imported or simulated
    ├── SimulationError       the run cannot go on
    │   ├── Deadlock          a process waits for what can never come
    │   ├── Runaway           a limit of the run was crossed
    │   ├── UnservedHost      a host was called that no fake serves, or a broker that is not simulated
    │   ├── RealDatabase      a database was connected to that nobody allowed
    │   ├── RealFile          a task changed a file that the run has not made, with files="scratch"
    │   ├── RealWait          a task waits for something real, which virtual time cannot bring
    │   ├── SharedTransaction a task waits inside a transaction of a database that others share
    │   └── Unsupported       real Celery can do it, this version of retrysim cannot
    │       └── UnsupportedVersion   an installed package lacks a name that retrysim relies on
    ├── InternalError         retrysim itself failed: a bug, with the trace (CLI: exit 3)
    ├── LiveError             a live run cannot go on: a worker does not come up, or a process of it fails
    └── Violation             an invariant does not hold (also an AssertionError)

Each message says what was expected and what to do.
"""

from __future__ import annotations


class RetrysimError(Exception):
    """Base of everything raised on purpose by retrysim."""


class InputError(RetrysimError):
    """What was given is wrong; the message says what was expected."""


class DurationError(InputError, ValueError):
    """A text or number that is not a valid duration."""


class LimitError(InputError, ValueError):
    """A rate limit that is none, or that can never be met."""


class FakeError(InputError):
    """A fake that cannot be made or mounted as asked."""


class ScenarioError(InputError):
    """A scenario file that cannot be played; the message begins with ``file:line:column``."""


class AppError(InputError):
    """The Celery app cannot be found, imported or simulated."""


class SimulationError(RetrysimError):
    """The run cannot go on."""


class Deadlock(SimulationError):  # noqa: N818 - the field's word for it
    """A process waits for what can never come."""


class Runaway(SimulationError):  # noqa: N818
    """A limit of the run was crossed: events, virtual time, or attempts of one task."""


class UnservedHost(SimulationError):  # noqa: N818
    """A host was called that no fake serves, or a broker that is not simulated, and that was not allowed."""


class RealDatabase(SimulationError):  # noqa: N818
    """A database was connected to that is no test database and was not allowed."""


class RealFile(SimulationError):  # noqa: N818
    """A task changes a file that the run has not made, in a simulation with ``files="scratch"``."""


class RealWait(SimulationError):  # noqa: N818
    """A task waits for something real (a subprocess, a raw thread, a file), which virtual time cannot bring."""


class SharedTransaction(SimulationError):  # noqa: N818
    """A task waits inside a transaction of a database that it shares with the test and all other tasks."""


class Unsupported(SimulationError):  # noqa: N818
    """Real Celery can do it; this version of retrysim cannot."""


class UnsupportedVersion(Unsupported):
    """An installed package lacks a name that retrysim relies on; the message names both, and the version."""


class InternalError(RetrysimError):
    """A bug in retrysim; the message says where the trace is."""


class LiveError(RetrysimError):
    """A live run cannot go on: a worker does not come up, or a process of it fails."""


class Violation(RetrysimError, AssertionError):  # noqa: N818
    """An invariant or an expectation does not hold."""


class RanAgainWarning(UserWarning):
    """A run in which nothing is violated, and in which tasks ran again after they had succeeded."""


class UntestedVersionWarning(UserWarning):
    """An installed package is older or newer than the versions that retrysim is tested with."""
