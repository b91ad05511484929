//! C-STORE against the archive (PS3.4 annex B).
//!
//! A status of Success comes from nowhere but the archive's own word that the instance is durable and indexed.

use std::sync::mpsc;

use indexer::archive::{Archive, Expect, Origin, Store};
use storage_config::Uid;
use storage_config::config::PatientIdIs;

use super::answer::Answer;
use super::command::{Command, Named};
use super::peers::Caller;
use super::status::Status;

/// One data set on its way into the archive, or already refused.
pub(super) struct Receipt {
    store: Result<Store, Answer>,
    expect: Expect,
    bytes: u64,
}

impl Receipt {
    /// Begins to receive the data set that `command` announces. If the archive takes nothing now, or the command
    /// does not say what is sent, the data set is read and dropped.
    pub fn begin(archive: &Archive, caller: &Caller, command: &Command, transfer_syntax: &Uid) -> Receipt {
        let expect = Expect {
            sop_class: command.sop_class.uid().cloned(),
            sop_instance: command.sop_instance.uid().cloned(),
            study: None,
        };
        let store = admissible(command).and_then(|()| match archive.refuses() {
            Some(error) => Err(Answer::from(&error)),
            None => archive.begin(origin(caller, transfer_syntax)).map_err(|error| Answer::from(&error)),
        });
        Receipt { store, expect, bytes: 0 }
    }

    /// The next bytes. After the first error the rest is dropped.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        if let Ok(store) = &mut self.store
            && let Err(error) = store.push(bytes)
        {
            // Dropping the store here gives back at once what it holds.
            self.store = Err(Answer::from(&error));
        }
    }

    /// Bytes of the data set so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The data set is complete. Returns when the instance is durable and indexed, or is not stored.
    pub fn finish(self) -> Answer {
        let store = match self.store {
            Ok(store) => store,
            Err(answer) => return answer,
        };
        let (tell, told) = mpsc::sync_channel(1);
        store.finish(&self.expect, move |result| {
            // Nobody listens only if this thread is gone.
            let _ = tell.send(result.map(|_stored| ()));
        });
        match told.recv() {
            Ok(Ok(())) => Answer::success(),
            Ok(Err(error)) => Answer::from(&error),
            Err(mpsc::RecvError) => Answer::failure(Status::PROCESSING_FAILURE, "the archive gave no answer"),
        }
    }
}

/// Whether a command says what it sends: both UIDs are mandatory (PS3.7 9.3.1.1).
fn admissible(command: &Command) -> Result<(), Answer> {
    let wrong =
        |name: &str| Err(Answer::failure(Status::MISMATCH, &format!("no valid {name} in the command")));
    match (&command.sop_class, &command.sop_instance) {
        (Named::Uid(_), Named::Uid(_)) => Ok(()),
        (Named::Uid(_), _) => wrong("Affected SOP Instance UID"),
        (_, _) => wrong("Affected SOP Class UID"),
    }
}

fn origin(caller: &Caller, transfer_syntax: &Uid) -> Origin {
    Origin {
        facility: caller.facility,
        source: caller.source(),
        patient_id_is_order: caller.patient_id_is == PatientIdIs::Order,
        issuer: String::new(),
        transfer_syntax: transfer_syntax.clone(),
    }
}
