"""Who a call counts as: laws about tokens, their claims, workspaces and what was proven."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbx_gateway.auth.identities import ProvenTokens, identity_of, in_workspace

HOST = "https://ws.example.com"
OWNER = {"iss": "https://login.example.com", "sub": "ann", "aud": "2ff814a6", "azp": "app", "scp": "sql serving"}


def jwt(claims: Any, signature: str = "c2lnbmVk") -> str:
    packed = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"eyJhbGciOiJSUzI1NiJ9.{packed}.{signature}"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def proven(claims: Any, **more: Any) -> str:
    return identity_of(bearer(jwt(claims)), {}, proven=True, **more)


texts = st.text(min_size=1, max_size=8)
claims_of_owners = st.fixed_dictionaries(
    {"iss": texts, "sub": texts},
    optional={
        "aud": texts | st.lists(texts, max_size=3),
        "azp": texts,
        "client_id": texts,
        "appid": texts,
        "scp": texts | st.lists(texts, max_size=3),
        "scope": texts,
    },
)
of_this_token_only = st.fixed_dictionaries({}, optional={"exp": st.integers(), "jti": texts, "nonce": texts})


def canonical(claims: dict[str, Any]) -> Any:
    """What counts of the claims, as the rule says it."""
    audience = claims.get("aud")
    scopes = [claims.get(name) for name in ("scp", "scope")]
    return (
        claims["iss"],
        claims["sub"],
        {audience} if isinstance(audience, str) else None if audience is None else set(audience),
        [claims.get(name) for name in ("azp", "client_id", "appid")],
        [set(one.split()) if isinstance(one, str) else None if one is None else set(one) for one in scopes],
    )


@given(claims_of_owners, of_this_token_only, of_this_token_only, texts)
def test_a_new_token_of_the_same_owner_client_and_rights_is_the_same_identity(owner, first, second, signature):
    later = bearer(jwt(owner | second, base64.urlsafe_b64encode(signature.encode()).decode()))
    assert proven(owner | first) == identity_of(later, {}, proven=True)


@given(claims_of_owners, claims_of_owners)
def test_two_tokens_are_one_identity_exactly_if_all_that_counts_is_the_same(one, other):
    assert (proven(one) == proven(other)) == (canonical(one) == canonical(other))


@pytest.mark.parametrize(
    "changed",
    [{"iss": "https://evil.example.com"}, {"sub": "bob"}, {"aud": "another"}, {"azp": "another"}, {"client_id": "more"},
     {"appid": "more"}, {"scp": "sql"}, {"scope": "all-apis"}],
)  # fmt: skip
def test_each_claim_that_counts_makes_another_identity(changed):
    assert proven(OWNER | changed) != proven(OWNER)


def test_scopes_and_audiences_count_as_sets():
    assert proven(OWNER | {"scp": ["serving", "sql"]}) == proven(OWNER)
    assert proven(OWNER | {"aud": ["2ff814a6", "2ff814a6"]}) == proven(OWNER)


@given(claims_of_owners, of_this_token_only)
def test_until_it_is_proven_a_token_stands_for_itself_alone(owner, more):
    """Nobody becomes somebody else by writing a token that says so: no signature is verified here."""
    forged = bearer(jwt(owner | more, "Zm9yZ2Vk"))
    true = bearer(jwt(owner | more))
    assert len({identity_of(forged, {}), identity_of(true, {}), identity_of(true, {}, proven=True)}) == 3
    assert identity_of(forged, {}, user="ann") == identity_of(forged, {})


@given(st.text(max_size=40) | st.builds(jwt, st.recursive(st.none() | st.integers() | texts, st.lists, max_leaves=4)))
def test_any_text_is_an_identity_and_never_raises_or_shows_itself(token):
    headers = bearer(token)
    found = identity_of(headers, {}, proven=True)
    assert found == identity_of(headers, {})  # whatever has no owner in it counts by its digest
    assert len(token) < 6 or token not in found


@pytest.mark.parametrize("missing", [{"iss": ""}, {"sub": ""}, {"iss": 7}, {"sub": None}])
def test_claims_without_an_issuer_and_a_subject_in_text_name_nobody(missing):
    assert proven(OWNER | missing) == identity_of(bearer(jwt(OWNER | missing)), {})


def test_a_name_of_the_callers_is_a_space_of_its_own():
    by_name = identity_of(bearer("opaque-1"), {}, user="ann", proven=True)
    assert by_name == identity_of(bearer("opaque-2"), {}, user="ann", proven=True)
    assert by_name == identity_of(bearer(jwt(OWNER)), {}, user="ann", proven=True)
    assert by_name not in {proven(OWNER), identity_of(bearer("ann"), {}, proven=True)}
    assert by_name != identity_of(bearer("opaque-1"), {}, user="bob", proven=True)


@pytest.mark.parametrize("name", ["X-Databricks-Org-Id", "x-databricks-workspace-id"])
@pytest.mark.parametrize("user", [None, "ann"])
@pytest.mark.parametrize("token", ["opaque", jwt(OWNER)])
def test_the_workspace_is_always_part_wherever_its_header_comes_from(name, user, token):
    def found(signed, others):
        return identity_of(bearer(token) | signed, others, user=user, proven=True)

    assert found({name: "1"}, {}) == found({}, {name.lower(): "1"})
    assert len({found({}, {}), found({name: "1"}, {}), found({name: "2"}, {})}) == 3
    assert len({in_workspace("sdk:x", {}), in_workspace("sdk:x", {name: "1"}), in_workspace("sdk:x", {name: "2"})}) == 3


def test_all_headers_that_prove_who_asks_count():
    google = bearer("opaque") | {"X-Databricks-GCP-SA-Access-Token": "a"}
    assert identity_of(google, {}) != identity_of(google | {"X-Databricks-GCP-SA-Access-Token": "b"}, {})


def test_what_one_host_has_taken_proves_nothing_at_another():
    taken = ProvenTokens()
    taken.add(HOST, bearer("a"))
    assert taken.holds(HOST, {"authorization": "Bearer a"})
    assert not taken.holds("https://other.example.com", bearer("a"))
    assert not taken.holds(HOST, bearer("b"))
    taken.forget()
    assert not taken.holds(HOST, bearer("a"))


@given(st.lists(st.integers(0, 9), max_size=40))
def test_tokens_that_were_proven_are_remembered_up_to_a_bound_the_latest_first(uses):
    taken = ProvenTokens(most=3)
    for number in uses:
        taken.add(HOST, bearer(str(number)))
    latest = list(dict.fromkeys(reversed(uses)))[:3]
    assert {number for number in range(10) if taken.holds(HOST, bearer(str(number)))} == set(latest)
