"""SSL contexts made while the interceptor is installed: cheap to make, whole when they are used."""

from __future__ import annotations

import gc
import ssl
import weakref
from pathlib import Path

import certifi
import pytest
from wire_helpers import Scripted, ok, serving_test_host


@pytest.fixture
def installed():
    with serving_test_host(Scripted(ok())):
        yield


def number_of_certificates(context):
    return context.cert_store_stats()["x509_ca"]


WHOLE = number_of_certificates(ssl.create_default_context(cafile=certifi.where()))


def reads_of_certificates(monkeypatch):
    """The calls of OpenSSL's own reading, which is what costs time."""
    reads = []
    real = ssl.SSLContext.load_verify_locations

    def load_verify_locations(self, *args, **options):
        reads.append(options.get("cafile"))
        real(self, *args, **options)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", load_verify_locations)
    return reads


def test_certificates_are_not_read_for_a_context_that_nobody_uses(monkeypatch):
    reads = reads_of_certificates(monkeypatch)

    with serving_test_host(Scripted(ok())):
        ssl.create_default_context().load_verify_locations(certifi.where())

    assert reads == []


def test_certificates_are_there_as_soon_as_somebody_looks(installed):
    context = ssl.create_default_context(cafile=certifi.where())

    assert number_of_certificates(context) == WHOLE > 50
    assert len(context.get_ca_certs()) == WHOLE
    assert type(context) is ssl.SSLContext


def test_context_wraps_a_real_connection_with_its_certificates(installed):
    context = ssl.create_default_context(cafile=certifi.where())

    context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="example.org")

    assert number_of_certificates(context) == WHOLE


def test_context_that_outlives_the_interceptor_catches_up():
    with serving_test_host(Scripted(ok())):
        context = ssl.create_default_context(cafile=certifi.where())

    assert number_of_certificates(context) == WHOLE


def test_settings_of_a_late_context_are_kept(installed):
    context = ssl.create_default_context(cafile=certifi.where())

    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    number_of_certificates(context)

    assert isinstance(context, ssl.SSLContext)
    assert context.verify_flags & ssl.VERIFY_X509_STRICT
    assert context.minimum_version is ssl.TLSVersion.TLSv1_3
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_missing_file_raises_at_once(installed, tmp_path):
    with pytest.raises(FileNotFoundError):
        ssl.create_default_context(cafile=tmp_path / "missing.pem")


def test_file_without_certificates_raises_at_once(installed, tmp_path):
    file = tmp_path / "none.pem"
    file.write_text("these are no certificates")

    with pytest.raises(ssl.SSLError):
        ssl.create_default_context(cafile=file)


def test_no_argument_at_all_raises_at_once(installed):
    with pytest.raises(TypeError, match=r"^cafile, capath and cadata cannot be all omitted$"):
        ssl.create_default_context().load_verify_locations()


def test_wrong_purpose_raises_at_once(installed):
    with pytest.raises(TypeError):
        ssl.create_default_context().load_default_certs("server")


def test_subclass_of_the_users_loads_at_once(installed):
    class OwnContext(ssl.SSLContext):
        pass

    context = OwnContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(certifi.where())

    assert type(context) is OwnContext
    assert number_of_certificates(context) == WHOLE


def test_nothing_is_left_on_the_class_and_on_the_contexts():
    before = dict(vars(ssl.SSLContext))

    with serving_test_host(Scripted(ok())):
        context = ssl.create_default_context(cafile=certifi.where())
    number_of_certificates(context)

    assert dict(vars(ssl.SSLContext)) == before
    assert "set_default_verify_paths" not in before, "it is inherited, and must stay so"
    assert vars(context) == {}


def test_context_that_nobody_uses_is_collected(installed):
    made = [weakref.ref(ssl.create_default_context(cafile=certifi.where())) for _ in range(5)]

    gc.collect()

    assert [context() for context in made] == [None] * 5


def test_a_file_that_is_no_certificate_is_looked_into_again_when_it_has_changed(installed, tmp_path):
    file = tmp_path / "ca.pem"
    file.write_text("nothing yet\n")
    with pytest.raises(ssl.SSLError):
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
    file.write_bytes(Path(certifi.where()).read_bytes())

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(file)

    assert number_of_certificates(context) == WHOLE
