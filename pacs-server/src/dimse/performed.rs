//! N-CREATE and N-SET of performed procedure steps against the archive (PS3.4 F.7.2, PS3.7 10.1.3 and 10.1.5).
//!
//! A status of Success comes from nowhere but the archive's own word that what was said is durable and indexed.

use indexer::archive::{Archive, StepAttributes, StepReading, StepTeller};
use storage_config::Uid;

use super::answer::Answer;
use super::command::{Command, N_CREATE_RQ, Named};
use super::peers::Caller;
use super::sop_classes::PERFORMED_STEP;
use super::status::Status;

/// The attributes of a step on their way in, or already refused.
pub(super) struct Telling {
    reading: Result<StepReading, Answer>,
    bytes: u64,
}

impl Telling {
    /// Begins to read the attributes that `command` announces. If they are not taken, they are read and dropped.
    pub fn begin(archive: &Archive, command: &Command, transfer_syntax: &Uid) -> Telling {
        let begin = || archive.begin_step(transfer_syntax).map_err(|error| Answer::from(&error));
        Telling { reading: admissible(command).and_then(|()| begin()), bytes: 0 }
    }

    /// The next bytes. After the first error the rest is dropped.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        if let Ok(reading) = &mut self.reading
            && let Err(error) = reading.push(bytes)
        {
            self.reading = Err(Answer::from(&error));
        }
    }

    /// Bytes of the data set so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The attributes are complete. Returns when what they say is durable and indexed, or is not stated.
    pub fn finish(self, archive: &Archive, caller: &Caller, command: &Command) -> Answer {
        let attributes =
            self.reading.and_then(|reading| reading.finish().map_err(|error| Answer::from(&error)));
        match attributes {
            Ok(attributes) => state(archive, caller, command, &attributes),
            Err(answer) => answer,
        }
    }
}

/// The answer to a message that has no attributes.
pub(super) fn without_attributes(command: &Command) -> Answer {
    match admissible(command) {
        Ok(()) => Answer::failure(Status::MISSING_ATTRIBUTE, "there is no data set"),
        Err(answer) => answer,
    }
}

fn state(archive: &Archive, caller: &Caller, command: &Command, attributes: &StepAttributes) -> Answer {
    let teller =
        StepTeller { facility: caller.facility, name: caller.ae_title.to_string(), source: caller.source() };
    let stated = match (command.field, command.sop_instance.uid()) {
        (N_CREATE_RQ, named) => archive.create_step(named, &teller, attributes),
        (_, Some(named)) => archive.change_step(named, &teller, attributes).map(|()| named.clone()),
        (_, None) => return Answer::failure(Status::INVALID_SOP_INSTANCE, ""),
    };
    match stated {
        Ok(uid) => Answer { sop_instance: Some(uid), ..Answer::success() },
        Err(error) => Answer::from(&error),
    }
}

/// Whether a command says which step it is about. Only a new one may be without a name: it is given one.
fn admissible(command: &Command) -> Result<(), Answer> {
    let failure = |status, reason: &str| Err(Answer::failure(status, reason));
    if command.sop_class.uid().is_none_or(|class| class.as_str() != PERFORMED_STEP) {
        return failure(Status::NO_SUCH_SOP_CLASS, "the command names another SOP class");
    }
    match &command.sop_instance {
        Named::Uid(_) => Ok(()),
        Named::Absent if command.field == N_CREATE_RQ => Ok(()),
        _ => failure(Status::INVALID_SOP_INSTANCE, "no valid SOP Instance UID in the command"),
    }
}
