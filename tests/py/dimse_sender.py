"""C-STORE of raw data set bytes with pynetdicom: nothing is parsed or encoded again on the way out."""

import io
import time
from dataclasses import dataclass

from pynetdicom import AE
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.presentation import build_context

MAX_CONTEXTS = 120


@dataclass(frozen=True)
class Outcome:
    """The answer to one C-STORE; `status` is None where none came."""

    status: int | None
    comment: str
    context_accepted: bool = True

    @property
    def stored(self) -> bool:
        return self.status is not None and (self.status == 0 or self.status & 0xF000 == 0xB000)

    def __str__(self) -> str:
        if not self.context_accepted:
            return "presentation context rejected"
        return "no answer" if self.status is None else f"{self.status:04X} {self.comment}".strip()


class Sender:
    """Sends samples over as few associations as their presentation contexts need."""

    def __init__(self, port: int, calling: str = "PYNETDICOM", called: str = "PACS"):
        self.ae = AE(ae_title=calling)
        self.ae.acse_timeout = self.ae.dimse_timeout = self.ae.network_timeout = 60
        self.port, self.called = port, called

    def send(self, samples):
        """Yields (sample, Outcome) in the order of `samples`."""
        batch, pairs = [], set()
        for sample in samples:
            pair = (sample.sop_class, sample.transfer_syntax)
            if pair not in pairs and len(pairs) == MAX_CONTEXTS:
                yield from self._send_batch(batch, pairs)
                batch, pairs = [], set()
            batch.append(sample)
            pairs.add(pair)
        if batch:
            yield from self._send_batch(batch, pairs)

    def _associate(self, pairs):
        contexts = [build_context(sop_class, syntax) for sop_class, syntax in sorted(pairs)]
        association = self.ae.associate("127.0.0.1", self.port, contexts, ae_title=self.called)
        assert association.is_established, "the association was not accepted"
        pause(association)
        accepted = {
            (context.abstract_syntax, context.transfer_syntax[0]): context.context_id
            for context in association.accepted_contexts
        }
        return association, accepted

    def _send_batch(self, batch, pairs):
        association, accepted = self._associate(pairs)
        for number, sample in enumerate(batch):
            context = accepted.get((sample.sop_class, sample.transfer_syntax))
            if context is None:
                yield sample, Outcome(None, "", context_accepted=False)
                continue
            yield sample, store(association, context, sample, number % 65_535 + 1)
            if not association.is_established:
                # A refusal costs one instance, not the association; the test sees the outcome without a status.
                association, accepted = self._associate(pairs)
        association.release()


def pause(association):
    """Stops the association's reactor, which otherwise at times reads an answer away from the one who waits for it.

    pynetdicom stops and resumes it around each message; between resuming it and stopping it again it may still seem
    to be stopped. Here it is stopped once, while nothing is under way, and resumed when the association ends.
    """
    association._reactor_checkpoint.clear()
    time.sleep(0.05)
    while not association._is_paused:
        time.sleep(0.001)


def store(association, context_id: int, sample, message_id: int) -> Outcome:
    """One C-STORE (PS3.7 9.1.1) of the sample's own bytes, over an association that is paused."""
    request = C_STORE()
    request.MessageID = message_id
    request.AffectedSOPClassUID = sample.sop_class
    request.AffectedSOPInstanceUID = sample.sop_instance
    request.Priority = 2
    request.DataSet = io.BytesIO(sample.data_set)
    association.dimse.send_msg(request, context_id)
    _, answer = association.dimse.get_msg(block=True)
    if answer is None or not answer.is_valid_response:
        association.abort()
        return Outcome(None, "")
    return Outcome(answer.Status, str(getattr(answer, "ErrorComment", None) or ""))
