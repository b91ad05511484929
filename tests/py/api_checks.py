"""What schemathesis checks of each answer beside its own rules."""

import schemathesis



@schemathesis.check
def refusals_are_problems(ctx, response, case):
    """A refused request gets a problem body (RFC 9457), which names the field where a part of it is wrong."""
    if not 400 <= response.status_code < 500:
        return
    kind = response.headers.get("content-type", [""])[0]
    assert kind.startswith("application/problem+json"), f"{response.status_code} as {kind!r}"
    body = response.json()
    assert body.get("title") and body.get("status") == response.status_code, body
    if response.status_code in (400, 413, 415, 422):
        assert body.get("field"), f"no field is named: {body}"
