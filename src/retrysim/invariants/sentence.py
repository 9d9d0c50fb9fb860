"""An invariant that may be told more: ``quota_is_respected``, or ``quota_is_respected(fake="twitter")``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Concatenate, Generic, ParamSpec, overload

from retrysim.invariants.invariant import Invariant, Judgement
from retrysim.trace import Trace

P = ParamSpec("P")


class _Composable:
    """Invariants are joined with ``&``: ``every_task_settles & quota_is_respected``."""

    __name__: str

    def __and__(self, other: Invariant) -> Joined:
        return Joined(self, other)  # type: ignore[arg-type]  # whoever inherits from this can be called

    def __repr__(self) -> str:
        return f"<invariant {self.__name__}>"


class Sentence(_Composable, Generic[P]):
    """Judges a trace, or, called with arguments, is the same invariant with them."""

    def __init__(self, judge: Callable[Concatenate[Trace, P], Judgement]) -> None:
        self._judge = judge
        self.__name__ = judge.__name__
        self.__doc__ = judge.__doc__
        self.__module__ = judge.__module__

    @property
    def parameters(self) -> list[str]:
        """The names of the arguments that it takes by name."""
        parameters = inspect.signature(self._judge).parameters.values()
        return [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]

    @overload
    def __call__(self, trace: Trace, /) -> Judgement: ...  # type: ignore[overload-overlap]  # told apart by a Trace

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> ConfiguredInvariant: ...

    def __call__(self, *args: Any, **kwargs: Any) -> Judgement | ConfiguredInvariant:
        judge: Any = self._judge
        if args and isinstance(args[0], Trace):
            return judge(*args, **kwargs)  # type: ignore[no-any-return]
        inspect.signature(self._judge).bind(Trace(), *args, **kwargs)  # a wrong argument is an error here, not later
        return ConfiguredInvariant(self.__name__, lambda trace: judge(trace, *args, **kwargs), args, kwargs)


class ConfiguredInvariant(_Composable):
    """An invariant with its arguments."""

    def __init__(
        self, base: str, judge: Callable[[Trace], Judgement], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self.base = base
        self._judge = judge
        texts = [*(getattr(arg, "name", None) or repr(arg) for arg in args), *(f"{k}={v!r}" for k, v in kwargs.items())]
        self.__name__ = f"{base}({', '.join(texts)})"

    def __call__(self, trace: Trace, /) -> Judgement:
        return self._judge(trace)


class Joined(_Composable):
    """Two invariants as one: both hold, and both had something to judge."""

    def __init__(self, one: Invariant, other: Invariant) -> None:
        self._parts = (one, other)
        self.__name__ = f"{one.__name__} and {other.__name__}"

    def __call__(self, trace: Trace, /) -> Judgement:
        one, other = (part(trace) for part in self._parts)
        fewer = min(one, other, key=lambda judgement: judgement.judged)
        return Judgement(judged=fewer.judged, of=fewer.of, problems=(*one.problems, *other.problems))


def base_name(invariant: Invariant) -> str:
    """The name of an invariant without its arguments."""
    return invariant.base if isinstance(invariant, ConfiguredInvariant) else invariant.__name__
