"""The generated Python client, used: use.py BASE_URL NAME PASSWORD, with the client's directory in PYTHONPATH."""

import datetime
import json
import sys
import time

from millpond_client import AuthenticatedClient, Client, models
from millpond_client.api.accounts import create_account, list_accounts
from millpond_client.api.auth import login
from millpond_client.api.keys import create_key, delete_key, list_keys
from millpond_client.api.models import complete_chat
from millpond_client.api.usage import usage_logs, usage_stats
from millpond_client.types import UNSET

SECONDS = 5


def main(base_url, username, password):
    nobody = Client(base_url=base_url)
    refused = login.sync_detailed(client=nobody, body=models.Login(username=username, password="not this one"))
    assert refused.status_code == 401 and isinstance(refused.parsed, models.NotSignedIn), refused
    signed_in = login.sync(client=nobody, body=models.Login(username=username, password=password))
    assert signed_in.user.role == "member", signed_in
    assert isinstance(signed_in.user.created_at, datetime.datetime), signed_in
    client = AuthenticatedClient(base_url=base_url, token=signed_in.access_token)

    made = create_key.sync(client=client, body=models.CreateKey(name="from Python"))
    assert made.name == "from Python" and made.key.startswith("sk-"), made
    assert any(one.id == made.id for one in list_keys.sync(client=client))

    body = models.CreateAccount(provider="openai", credential="sk-nothing", models=["nothing"], status=0)
    account = create_account.sync(client=client, body=body).data
    assert account.provider == "openai" and account.status == 0, account
    assert any(one.cookie_id == account.cookie_id for one in list_accounts.sync(client=client).data)
    wrong = create_account.sync_detailed(client=client, body=models.CreateAccount(provider="other", credential="c"))
    assert wrong.status_code == 422 and wrong.parsed.details[0].loc[1] == "provider", wrong

    caller = AuthenticatedClient(base_url=base_url, token=made.key)
    question = {"model": "pond-large", "messages": [{"role": "user", "content": "What is a mill pond?"}]}
    answer = complete_chat.sync_detailed(client=caller, body=question)
    assert answer.status_code == 200 and json.loads(answer.content)["choices"], answer

    log = wait_for(lambda: next((row for row in usage_logs.sync(client=client).data if row.api_key_id == made.id), None))
    assert log.outcome == "ok" and log.model_name == "pond-large", log
    stats = usage_stats.sync(client=client, from_=log.created_at)
    assert stats.data.total.calls >= 1 and stats.data.until is not UNSET, stats

    assert delete_key.sync(made.id, client=client).success
    gone = delete_key.sync_detailed(made.id, client=client)
    assert gone.status_code == 404 and isinstance(gone.parsed, models.ErrorBody), gone
    print("the Python client works")


def wait_for(ask):
    deadline = time.monotonic() + SECONDS
    while True:
        found = ask()
        if found:
            return found
        assert time.monotonic() < deadline, "the call is not in the usage log"
        time.sleep(0.1)


if __name__ == "__main__":
    main(*sys.argv[1:])
