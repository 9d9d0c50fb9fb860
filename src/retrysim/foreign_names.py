"""Every private name of another package that retrysim relies on: where it is, and which files rely on it.

A release may rename a private name without notice. Each simulation therefore looks, once, whether the names of the
packages that are imported by then are there; ``tests/versions`` compares this list with the source, both ways.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from types import CodeType
from typing import Any, NamedTuple

from retrysim.versions import has_name, missing_name


class ForeignName(NamedTuple):
    """One name: ``owner`` is a module, ``module:Class``, or ``module:function`` whose code makes or reads the name."""

    owner: str
    name: str
    files: str

    @property
    def module(self) -> str:
        return self.owner.partition(":")[0]

    @property
    def is_module(self) -> bool:
        """Whether the name is a module that is imported by now, which its package may hide."""
        return f"{self.owner}.{self.name}" in sys.modules

    @property
    def path(self) -> list[str]:
        """The class and the function inside the module."""
        return [step for step in self.owner.partition(":")[2].split(".") if step]


#: Package -> (owner, name, the files that rely on it).
NAMES: dict[str, tuple[tuple[str, str, str], ...]] = {
    "aiohttp": (("aiohttp.connector:TCPConnector", "_create_connection", "wire/clients/aiohttp.py"),),
    "amqp": (
        ("amqp.transport:_AbstractTransport", "_connect", "celery/rabbitmq/transport.py"),
        ("amqp.transport:_AbstractTransport", "_read_buffer", "celery/rabbitmq/transport.py"),
    ),
    "billiard": (
        ("billiard.einfo", "_Code", "celery/tracebacks.py"),
        ("billiard.einfo", "_Frame", "celery/tracebacks.py"),
        ("billiard.process", "_current_process", "celery/pools/current_process.py"),
        ("billiard.process:BaseProcess.__init__", "_identity", "celery/pools/current_process.py"),
        ("billiard.synchronize:SemLock", "_make_methods", "patches/process_locks.py"),
        ("billiard.synchronize:SemLock.__init__", "_semlock", "patches/process_locks.py"),
        ("billiard.util", "_afterfork_registry", "patches/process_locks.py"),
        ("billiard.util", "_run_after_forkers", "celery/pools/isolated.py"),
    ),
    "celery": (
        (
            "celery",
            "_state",
            "celery/embedded/state.py celery/hosting.py celery/imports.py celery/own_tasks.py "
            "celery/process_globals.py celery/program.py celery/speaking.py",
        ),
        ("celery._state", "_on_app_finalizers", "celery/imports.py celery/own_tasks.py"),
        ("celery._state", "_task_join_will_block", "celery/embedded/state.py celery/process_globals.py"),
        ("celery._state", "_task_stack", "celery/hosting.py"),
        ("celery._state", "_tls", "celery/hosting.py celery/program.py"),
        ("celery._state", "default_app", "celery/program.py celery/speaking.py"),
        (
            "celery._state",
            "get_current_task",
            "celery/task_log.py live/worker.py simulation/forked_speech.py simulation/served_fakes.py "
            "simulation/simulation.py",
        ),
        ("celery._state", "task_join_will_block", "celery/hosting.py"),
        ("celery.app.amqp:AMQP", "_producer_pool", "celery/hosting.py"),
        ("celery.app.amqp:AMQP", "_rtable", "celery/hosting.py"),
        (
            "celery.app.autoretry:add_autoretry_behaviour",
            "_orig_run",
            "audit/bodies.py audit/settings.py audit/stage.py cli/found.py",
        ),
        ("celery.app.base:Celery", "_local", "audit/stage.py celery/hosting.py live/stage.py"),
        ("celery.app.base:Celery", "_pool", "celery/hosting.py"),
        ("celery.app.base:Celery.__init__", "_backend_cache", "audit/stage.py celery/hosting.py live/stage.py"),
        ("celery.app.amqp:AMQP", "_event_dispatcher", "celery/hosting.py"),
        ("celery.app.base:Celery.__init__", "_pending", "celery/own_tasks.py"),
        ("celery.app.base:Celery.__init__", "_tasks", "celery/conf_layer.py"),
        ("celery.app.defaults", "_OLD_SETTING_KEYS", "audit/unknown_names.py"),
        ("celery.app.task:Task", "_app", "celery/conf_layer.py"),
        ("celery.app.task:Task", "_exec_options", "audit/stage.py celery/hosting.py"),
        ("celery.app.trace", "_localized", "celery/process_globals.py"),
        ("celery.app.utils:Settings", "_to_keys", "celery/conf_settings.py celery/hosting.py"),
        ("celery.backends.asynchronous:BaseResultConsumer", "_wait_for_pending", "celery/redis/results.py"),
        ("celery.backends.base:Backend", "_ensure_not_eager", "celery/results.py"),
        ("celery.backends.redis:ResultConsumer", "_pubsub", "celery/redis/results.py"),
        ("celery.concurrency.base:BasePool", "_get_info", "celery/pools/prefork.py celery/pools/prefork_in_hub.py"),
        ("celery.concurrency.gevent:TaskPool", "_pool", "celery/pools/gevent.py"),
        ("celery.concurrency.gevent:TaskPool.on_start", "_quick_put", "celery/pools/gevent.py"),
        ("celery.contrib.testing.worker", "_start_worker_thread", "pytest_plugin/worker_option.py"),
        ("celery.fixups.django", "_maybe_close_fd", "databases/one_transaction.py"),
        ("celery.local:Proxy", "_Proxy__args", "celery/own_tasks.py"),
        ("celery.utils.dispatch.signal:Signal", "_live_receivers", "celery/receivers.py"),
        ("celery.worker.components", "_Hub", "celery/rabbitmq/broker.py celery/redis/broker.py"),
        ("celery.worker.components", "_Timer", "celery/rabbitmq/broker.py celery/redis/broker.py"),
        ("celery.worker.components:StateDB.create", "_persistence", "celery/worker.py"),
        ("celery.worker.consumer.consumer:Consumer.__init__", "_pending_operations", "celery/worker.py"),
    ),
    "django": (
        ("django.db.backends.base.base:BaseDatabaseWrapper", "_commit", "databases/sqlite.py"),
        ("django.db.backends.base.base:BaseDatabaseWrapper", "_cursor", "outside/django.py"),
        (
            "django.db.backends.base.creation:BaseDatabaseCreation",
            "_get_test_db_name",
            "databases/made_for_scenarios.py outside/django.py",
        ),
        ("django.db.transaction:Atomic.__init__", "_from_testcase", "databases/one_transaction.py"),
        ("django.test.utils", "_TestState", "databases/made_for_scenarios.py outside/django.py"),
    ),
    "fakeredis": (
        ("fakeredis._clients._base:FakeBaseConnectionMixin.__init__", "_client_class", "celery/redis/connection.py"),
        ("fakeredis._clients._base:FakeBaseConnectionMixin.__init__", "_client_info", "celery/redis/connection.py"),
        ("fakeredis._clients._base:FakeBaseConnectionMixin.__init__", "_lua_modules", "celery/redis/connection.py"),
        ("fakeredis._core", "Database", "celery/redis/expiry.py celery/redis/server.py"),
        ("fakeredis._core:Database", "_remove_expired", "celery/redis/expiry.py"),
        ("fakeredis._helpers", "NoResponse", "celery/redis/sockets.py"),
        ("fakeredis._helpers", "SimpleError", "celery/redis/sockets.py"),
        ("fakeredis._socket", "FakeSocket", "celery/redis/sockets.py"),
        ("fakeredis._socket._base:BaseFakeSocket.__init__", "_db", "celery/redis/expiry.py celery/redis/sockets.py"),
        ("fakeredis._socket._base:BaseFakeSocket.__init__", "_server", "celery/redis/sockets.py"),
        ("fakeredis._socket:FakeSocket", "_blocking", "celery/redis/sockets.py"),
        ("fakeredis._socket:FakeSocket", "_decode_result", "celery/redis/sockets.py"),
        ("fakeredis._socket:FakeSocket", "_in_transaction", "celery/redis/sockets.py"),
        ("fakeredis._socket._base:BaseFakeSocket.__init__", "_killed", "celery/redis/sockets.py"),
        ("fakeredis._socket._base:BaseFakeSocket.__init__", "_paused", "celery/redis/sockets.py"),
        ("fakeredis._socket:FakeSocket", "_process_command", "celery/redis/sockets.py"),
        ("fakeredis.commands_mixins.pubsub_mixin:PubSubCommandsMixin.__init__", "_pubsub", "celery/redis/sockets.py"),
        (
            "fakeredis.commands_mixins.scripting_mixin:ScriptingCommandsMixin._get_server_runtime",
            "_lua_runtime",
            "celery/redis/server.py",
        ),
        ("fakeredis.model", "_expiring_members_set", "celery/redis/expiry.py"),
        ("fakeredis.model", "_hash", "celery/redis/expiry.py"),
    ),
    "freezegun": (("freezegun.api", "_freeze_time", "patches/other_clocks.py"),),
    "httpcore": (("httpcore._sync.connection_pool:ConnectionPool.__init__", "_uds", "wire/clients/httpcore.py"),),
    "kombu": (
        ("kombu.asynchronous.hub", "_current_loop", "celery/embedded/state.py celery/process_globals.py"),
        ("kombu.asynchronous.hub:Hub", "_create_poller", "celery/hub/hub.py"),
        ("kombu.asynchronous.hub:Hub.__init__", "_ready", "celery/hub/hub.py"),
        ("kombu.asynchronous.hub:Hub._create_poller", "_poller", "celery/hub/hub.py"),
        ("kombu.asynchronous.hub:Hub._create_poller", "_register_fd", "celery/hub/hub.py"),
        ("kombu.asynchronous.hub:Hub._create_poller", "_unregister_fd", "celery/hub/hub.py"),
        ("kombu.asynchronous.timer:Timer", "_enter", "celery/hub/timer.py celery/timer.py"),
        ("kombu.asynchronous.timer:Timer.__init__", "_queue", "celery/hub/timer.py celery/timer.py celery/worker.py"),
        ("kombu.common", "_node_id", "celery/embedded/state.py celery/hosting.py"),
        ("kombu.connection:Connection", "_establish_connection", "outside/brokers.py"),
        ("kombu.connection:Connection", "_transport", "outside/brokers.py"),
        ("kombu.transport", "_transport_cache", "celery/hosting.py"),
        ("kombu.transport.memory:Channel", "_put_fanout", "celery/forked.py celery/memory.py"),
        ("kombu.transport.redis:Channel", "_brpop_start", "celery/redis/transport.py"),
        ("kombu.transport.redis:Channel", "_create_client", "celery/redis/transport.py"),
        ("kombu.transport.redis:Channel", "_fanout_queues", "celery/redis/transport.py"),
        ("kombu.transport.redis:Channel", "_in_poll", "celery/redis/idle.py celery/redis/transport.py"),
        ("kombu.transport.redis:Channel", "_pool", "celery/redis/idle.py"),
        ("kombu.transport.redis:QoS", "_remove_from_indices", "celery/redis/transport.py"),
        ("kombu.transport.redis:QoS.__init__", "_vrestore_count", "celery/redis/idle.py"),
        (
            "kombu.transport.redis:MultiChannelPoller.__init__",
            "_channels",
            "celery/redis/idle.py celery/redis/transport.py",
        ),
        ("kombu.transport.virtual.base:Channel", "_delete", "celery/forked.py"),
        ("kombu.transport.virtual.base:Channel", "_get", "celery/forked.py"),
        ("kombu.transport.virtual.base:Channel", "_has_queue", "celery/forked.py"),
        ("kombu.transport.virtual.base:Channel", "_lookup", "celery/forked.py celery/redis/transport.py"),
        ("kombu.transport.virtual.base:Channel", "_new_queue", "celery/forked.py"),
        ("kombu.transport.virtual.base:Channel", "_purge", "celery/forked.py"),
        ("kombu.transport.virtual.base:Channel", "_put", "celery/forked.py celery/memory.py"),
        ("kombu.transport.virtual.base:Channel", "_size", "celery/forked.py"),
        (
            "kombu.transport.virtual.base:Channel.__init__",
            "_active_queues",
            "celery/memory.py celery/redis/idle.py celery/redis/transport.py",
        ),
        ("kombu.transport.virtual.base:Channel.__init__", "_consumers", "celery/memory.py"),
        ("kombu.transport.virtual.base:Channel.__init__", "_qos", "celery/publishing.py celery/redis/contents.py"),
        ("kombu.transport.virtual.base:Message.__init__", "_raw", "celery/redis/transport.py"),
        ("kombu.transport.virtual.base:QoS.__init__", "_delivered", "celery/redis/contents.py"),
        ("kombu.transport.virtual.base:QoS.__init__", "_on_collect", "celery/publishing.py"),
        ("kombu.transport.virtual.base:Transport", "_deliver", "celery/memory.py"),
    ),
    "pytest": (("_pytest.python:Function.__init__", "_fixtureinfo", "pytest_plugin/exploring.py"),),
    "python": (
        ("_posixsubprocess", "fork_exec", "patches/real_programs.py"),
        ("_thread", "LockType", "patches/left_locked.py patches/locks.py patches/locks_made_before.py"),
        ("_thread", "RLock", "celery/rabbitmq/node.py patches/left_locked.py patches/locks_made_before.py"),
        ("_thread", "allocate_lock", "patches/locks.py patches/real_locks.py patches/waits_in_the_test.py"),
        ("_thread", "get_ident", "patches/locks.py patches/real_locks.py patches/thread_identities.py"),
        ("_thread", "interrupt_main", "patches/signals.py"),
        ("_thread", "start_new_thread", "patches/real_locks.py patches/threads.py"),
        ("asyncio.events", "_event_loop_policy", "patches/interpreter_settings.py"),
        ("asyncio.events", "_get_running_loop", "patches/selects.py patches/thread_state.py"),
        ("asyncio.events", "_set_running_loop", "patches/thread_state.py"),
        ("asyncio.selector_events:BaseSelectorEventLoop", "_write_to_self", "patches/selects.py"),
        ("asyncio.selector_events:BaseSelectorEventLoop.__init__", "_selector", "patches/selects.py"),
        ("asyncio.selector_events:BaseSelectorEventLoop._make_self_pipe", "_ssock", "patches/selects.py"),
        ("concurrent.futures.thread", "_threads_queues", "patches/threads.py"),
        ("concurrent.futures.thread:ThreadPoolExecutor.__init__", "_idle_semaphore", "patches/threads.py"),
        ("concurrent.futures.thread:ThreadPoolExecutor.__init__", "_threads", "patches/threads.py"),
        ("concurrent.futures.thread:ThreadPoolExecutor.__init__", "_work_queue", "patches/threads.py"),
        ("contextlib", "_GeneratorContextManager", "patches/left_locked.py"),
        ("dis", "_parse_exception_table", "patches/left_locked.py"),
        ("http.client:HTTPConnection.__init__", "_tunnel_host", "wire/clients/http_client.py"),
        ("http.client:HTTPConnection.__init__", "_tunnel_port", "wire/clients/http_client.py"),
        ("importlib", "_bootstrap", "patches/interpreter_settings.py patches/references.py"),
        ("importlib._bootstrap", "_find_and_load", "patches/interpreter_settings.py patches/places.py"),
        ("logging", "_warnings_showwarning", "patches/interpreter_settings.py"),
        ("multiprocessing.pool:Pool", "_get_sentinels", "patches/thread_pools.py"),
        ("multiprocessing.pool:Pool", "_wait_for_updates", "patches/thread_pools.py"),
        ("multiprocessing.pool:ThreadPool", "_setup_queues", "patches/thread_pools.py"),
        ("os:_Environ.__init__", "_data", "patches/interpreter_settings.py"),
        ("queue", "_PySimpleQueue", "patches/thread_pools.py patches/virtual_threading.py"),
        ("threading", "_CRLock", "patches/virtual_threading.py"),
        ("threading", "_active", "patches/real_programs.py patches/signals.py patches/thread_identities.py"),
        ("threading", "_make_invoke_excepthook", "patches/threads.py"),
        ("threading", "_time", "patches/waits.py"),
        (
            "threading:Condition",
            "_acquire_restore",
            "patches/locks_made_before.py patches/waits.py patches/waits_in_the_test.py",
        ),
        (
            "threading:Condition",
            "_is_owned",
            "celery/redis/server.py patches/locks_made_before.py patches/waits.py patches/waits_in_the_test.py",
        ),
        (
            "threading:Condition",
            "_release_save",
            "patches/locks_made_before.py patches/waits.py patches/waits_in_the_test.py",
        ),
        ("threading:Condition.__init__", "_lock", "patches/locks_made_before.py patches/waits.py"),
        ("threading:Condition.__init__", "_waiters", "patches/waits.py patches/waits_in_the_test.py"),
        ("threading:Thread.__init__", "_ident", "patches/thread_identities.py"),
        ("threading:Thread.__init__", "_native_id", "patches/thread_identities.py"),
        ("threading:Thread.__init__", "_started", "patches/thread_identities.py patches/threads.py"),
        (
            "threading:Thread.__init__",
            "_target",
            "patches/companions.py patches/real_programs.py patches/threads.py patches/threads_of_a_test.py",
        ),
        ("uuid", "_UuidCreate", "patches/standard_library.py"),
        ("uuid", "_generate_time_safe", "patches/standard_library.py"),
        ("uuid", "_last_timestamp", "patches/standard_library.py"),
        ("uuid", "_node", "patches/standard_library.py"),
        ("warnings", "_showwarnmsg", "simulation/forked_speech.py"),
        ("warnings", "_showwarnmsg_impl", "simulation/forked_speech.py"),
    ),
    "redis": (
        (
            "redis.connection:AbstractConnection.__init__",
            "_sock",
            "celery/redis/connection.py celery/redis/idle.py celery/redis/results.py celery/redis/transport.py",
        ),
        ("redis.connection:Connection", "_connect", "celery/redis/connection.py"),
        ("redis.connection:ConnectionPool.reset", "_available_connections", "celery/redis/idle.py"),
    ),
    "trio": (
        ("trio._core", "_run", "patches/other_loops.py"),
        ("trio._core", "_thread_cache", "patches/other_loops.py"),
        ("trio._core", "_wakeup_socketpair", "patches/other_loops.py"),
        ("trio._core._io_epoll:EpollIOManager.__init__", "_force_wakeup_fd", "patches/other_loops.py"),
        ("trio._core._io_epoll:EpollIOManager.__init__", "_registered", "patches/other_loops.py"),
        ("trio._core._thread_cache:ThreadCache.__init__", "_idle_workers", "patches/other_loops.py"),
    ),
}

#: What only some versions have; the files do without it elsewhere.
IN_SOME_VERSIONS: tuple[tuple[str, str, str], ...] = (
    # Celery before 5.5 reads it elsewhere
    ("celery.utils.collections:ConfigurationView._to_keys", "_keys", "celery/conf_settings.py"),
    ("coverage.control:Coverage.__init__", "_collector", "simulation/forked_coverage.py"),
    # kombu before 5.6 has no timer for it
    ("kombu.transport.redis:Transport.register_with_event_loop", "_restore_messages_tref", "celery/redis/idle.py"),
    ("MySQLdb", "_mysql", "outside/drivers.py"),
    ("aiomysql.connection:Connection.__init__", "_host", "outside/drivers.py"),
    ("aiomysql.connection:Connection.__init__", "_port", "outside/drivers.py"),
    ("asyncpg.connect_utils", "_connect_addr", "outside/drivers.py"),
    (
        "celery.concurrency.gevent:TaskPool",
        "_add_to_pool_map",
        "celery/pools/gevent.py",
    ),  # Celery before 5.5 has no map of greenlets
    (
        "celery.concurrency.gevent:TaskPool",
        "_pool_map",
        "celery/pools/gevent.py",
    ),  # Celery before 5.5 has no map of greenlets
    (
        "celery.concurrency.prefork",
        "_run_ready_callbacks",
        "celery/pools/prefork_in_hub.py",
    ),  # Celery before 5.5 runs no hub while its pool joins
    ("grpc._channel:_UnaryUnaryMultiCallable.__init__", "_channel", "patches/real_network.py"),
    ("kombu.asynchronous.hub:Hub", "_create_waker", "celery/hub/hub.py"),  # kombu before 5.6 has no waker
    ("kombu.asynchronous.hub:Hub.__init__", "_waker", "celery/hub/hub.py"),  # kombu before 5.6 has no waker
    (
        "kombu.transport.redis:Channel",
        "_brpop_sent_at",
        "celery/redis/idle.py celery/redis/transport.py",
    ),  # kombu before 5.6 remembers no BRPOP
    (
        "kombu.transport.redis:Transport.register_with_event_loop",
        "_binding_expiry_tref",
        "celery/redis/idle.py celery/redis/transport.py",
    ),  # kombu before 5.7 refreshes no bindings
    ("kombu.transport.redis:Channel", "_binding_ttl", "celery/redis/idle.py"),  # kombu before 5.7, as above
    ("kombu.transport.redis:Channel.__init__", "_binding_expiry_refreshed_at", "celery/redis/idle.py"),  # as above
    ("kombu.transport.redis:Channel.__init__", "_bindings_swept_at", "celery/redis/idle.py"),  # as above
    ("kombu.transport.redis:Channel.__init__", "_expires", "celery/redis/idle.py"),  # as above
    # kombu before 5.7 has no timers for the health of its connections, nor for new tokens
    ("kombu.transport.redis:Transport.register_with_event_loop", "_brpop_health_tref", "celery/redis/idle.py"),
    ("kombu.transport.redis:Transport.register_with_event_loop", "_reauth_tref", "celery/redis/idle.py"),
    ("kombu.transport.redis:Transport.register_with_event_loop", "_subclient_health_tref", "celery/redis/idle.py"),
    ("redis.connection:AbstractConnection.__init__", "_re_auth_token", "celery/redis/idle.py"),  # redis-py before 5.3
    ("mariadb", "_mariadb", "outside/drivers.py"),
    ("mysql.connector.connection:MySQLConnection", "_open_connection", "outside/drivers.py"),
    ("psycopg2", "_connect", "databases/drivers.py outside/drivers.py"),
    ("pymssql", "_mssql", "outside/drivers.py"),
    ("pymssql", "_pymssql", "outside/drivers.py"),
    ("pymysql.connections:Connection", "_force_close", "databases/mysql.py"),
    ("pymysql.connections:Connection", "_read_query_result", "databases/drivers.py databases/mysql.py"),
    ("pymysql.connections:Connection.__init__", "_result", "databases/mysql.py"),
    ("pymysql.connections:Connection.__init__", "_sock", "databases/mysql.py"),
    ("pymysql.connections:Connection.__init__", "_ssl_required", "databases/mysql.py"),
    ("faulthandler", "_fatal_error_c_thread", "patches/exits.py"),  # crashes on purpose, which a build may lack
    ("faulthandler", "_read_null", "patches/exits.py"),  # crashes on purpose, which a build may lack
    ("faulthandler", "_sigabrt", "patches/exits.py"),  # crashes on purpose, which a build may lack
    ("faulthandler", "_sigfpe", "patches/exits.py"),  # crashes on purpose, which a build may lack
    ("faulthandler", "_sigsegv", "patches/exits.py"),  # crashes on purpose, which a build may lack
    ("faulthandler", "_stack_overflow", "patches/exits.py"),  # crashes on purpose, which a build may lack
    ("_thread", "_get_main_thread_ident", "patches/thread_identities.py"),  # from Python 3.13 on
    ("threading:Thread", "_wait_for_tstate_lock", "patches/real_locks.py"),  # until Python 3.12
    ("_thread:_ThreadHandle", "_set_done", "patches/thread_identities.py"),  # from Python 3.13 on
    ("threading", "_make_thread_handle", "patches/thread_identities.py"),  # from Python 3.13 on
    ("threading:Thread.__init__", "_handle", "patches/thread_identities.py"),  # from Python 3.13 on
    ("threading:Thread.__init__", "_is_stopped", "patches/thread_identities.py"),  # until Python 3.12
    ("threading:Thread.__init__", "_tstate_lock", "patches/reachable.py"),  # until Python 3.12
    ("traceback", "_extract_caret_anchors_from_line_segment", "celery/tracebacks.py"),  # until Python 3.12
    ("traceback", "_get_code_position", "celery/tracebacks.py"),  # until Python 3.12
    ("trio._core", "_io_epoll", "patches/other_loops.py"),  # one an operating system
    ("trio._core", "_io_kqueue", "patches/other_loops.py"),  # one an operating system
)

_UNSEEN = [(package, ForeignName(*row)) for package, rows in NAMES.items() for row in rows]


def check_foreign_names() -> None:
    """Raise ``UnsupportedVersion`` if a package that is imported by now lacks a name; each is looked at once."""
    for one in [one for one in _UNSEEN if one[1].module in sys.modules]:
        check(*one)
        _UNSEEN.remove(one)


def check(package: str, one: ForeignName) -> None:
    """Raise ``UnsupportedVersion`` if a name is not there, in a module that is imported."""
    owner: Any = sys.modules[one.module]
    for step in one.path:
        if not has_name(owner, step):
            raise missing_name(owner, step, package)
        owner = getattr(owner, step)
    code = getattr(inspect.unwrap(owner), "__code__", None)
    if not (one.name in _used_by(code) if code else has_name(owner, one.name) or one.is_module):
        raise missing_name(owner, one.name, package)


def _used_by(code: CodeType) -> Iterator[str]:
    """The attributes and globals that a function and those inside it use."""
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _used_by(inner)
