//! One STOW-RS body on its way into the archive: parts in, a report out.

use bytes::Bytes;
use indexer::archive::Archive;
use std::collections::VecDeque;
use storage_config::Uid;
use tokio::sync::oneshot;

use super::report::{Failure, Report, StoredRow, reason};
use crate::archive::{Intake, Sender};
use crate::error::{Error, Kind};
use crate::incoming::Incoming;
use crate::measure;
use crate::multipart::{Event, Multipart, PartFault, PartHeaders};

/// Instances that may wait for their durability while further parts are read.
const IN_FLIGHT: usize = 32;
/// Bytes of such instances; two may wait whatever their size.
const IN_FLIGHT_BYTES: u64 = 16 * 1024 * 1024;

/// How a body holds its instances.
pub enum Framing {
    /// `multipart/related`.
    Multipart(Box<Multipart>),
    /// The body is one instance.
    Single,
}

/// What became of one part.
pub enum PartResult {
    /// It is in the archive.
    Stored(Box<StoredRow>),
    /// It is not; `passing`: sending it again later may help.
    Failed {
        /// What is reported.
        failure: Failure,
        /// Whether the cause may pass.
        passing: bool,
    },
}

impl PartResult {
    /// A part that is refused for what it is.
    pub fn refused(reason: u16) -> PartResult {
        PartResult::Failed { failure: Failure { reason, identity: None }, passing: false }
    }
}

/// A part whose result is awaited.
struct Waiting {
    result: oneshot::Receiver<PartResult>,
    bytes: u64,
}

/// The part that is being read.
enum Part {
    None,
    /// Goes to the archive.
    Taken(Box<Intake>),
    /// Is refused; its bytes are thrown away.
    Refused(PartResult),
}

/// Reads one body.
pub struct Receiver {
    archive: Archive,
    sender: Sender,
    study: Option<Uid>,
    parts: u32,
    parts_max: u32,
    part: Part,
    part_bytes: u64,
    waiting: VecDeque<Waiting>,
    waiting_bytes: u64,
    report: Report,
}

impl Receiver {
    /// A receiver for instances of `sender`, of `study` if the path names one.
    pub fn new(archive: Archive, sender: Sender, study: Option<Uid>, parts: u32) -> Receiver {
        Receiver {
            archive,
            sender,
            study,
            parts: 0,
            parts_max: parts,
            part: Part::None,
            part_bytes: 0,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            report: Report::default(),
        }
    }

    /// Reads the whole body and waits until every instance in it is durable or refused. What was not read because
    /// the body is cut short, too long or too slow is reported as one failure.
    ///
    /// # Errors
    /// When there is no instance to report on.
    pub async fn run(mut self, framing: Framing, incoming: &mut Incoming) -> Result<Report, Error> {
        let read = match framing {
            Framing::Multipart(multipart) => self.read_parts(*multipart, incoming).await,
            Framing::Single => self.read_single(incoming).await,
        };
        // A part that was cut short is dropped whole; the ones before stand.
        let cut = std::mem::replace(&mut self.part, Part::None);
        while !self.waiting.is_empty() {
            self.collect().await;
        }
        match read {
            Ok(()) if self.report.is_empty() => Err(Error::Body("the body holds no instance".to_owned())),
            Ok(()) => Ok(self.report),
            Err(error) if self.report.is_empty() => Err(error),
            Err(error) => {
                let limit = matches!(error.kind(), Kind::TooLarge | Kind::Silent);
                let reason = if limit { reason::RESOURCES } else { reason::NOT_UNDERSTOOD };
                let identity = if let Part::Taken(intake) = cut { intake.identity() } else { None };
                tracing::warn!(kind = ?error.kind(), "a STOW-RS body was not read to its end");
                self.report.failed(Failure { reason, identity }, false);
                Ok(self.report)
            }
        }
    }

    async fn read_parts(&mut self, mut multipart: Multipart, incoming: &mut Incoming) -> Result<(), Error> {
        loop {
            match incoming.next().await? {
                Some(chunk) => multipart.push(chunk),
                None => multipart.end(),
            }
            while let Some(event) = multipart.next_event().map_err(|error| Error::Body(error.to_string()))? {
                match event {
                    Event::Part(headers) => self.part_begins(headers).await?,
                    Event::Data(bytes) => self.part_bytes(bytes).await?,
                    Event::PartEnd => self.part_ends().await?,
                    Event::End => return Ok(()),
                }
            }
        }
    }

    async fn read_single(&mut self, incoming: &mut Incoming) -> Result<(), Error> {
        self.part_begins(Ok(PartHeaders::default())).await?;
        while let Some(chunk) = incoming.next().await? {
            self.part_bytes(chunk).await?;
        }
        self.part_ends().await
    }

    async fn part_begins(&mut self, headers: Result<PartHeaders, PartFault>) -> Result<(), Error> {
        let room = |this: &Receiver| {
            let few = this.waiting.len() < IN_FLIGHT;
            few && (this.waiting_bytes < IN_FLIGHT_BYTES || this.waiting.len() < 2)
        };
        self.collect_ready();
        while !room(self) {
            self.collect().await;
        }
        if self.parts == self.parts_max {
            return Err(Error::TooLarge { limit: self.parts_max.into(), unit: "parts" });
        }
        self.parts += 1;
        self.part_bytes = 0;
        self.part = if headers.is_ok_and(|headers| is_dicom(&headers)) {
            let intake = Intake::new(self.archive.clone(), self.sender.clone(), self.study.clone());
            Part::Taken(Box::new(intake))
        } else {
            Part::Refused(PartResult::refused(reason::NOT_UNDERSTOOD))
        };
        Ok(())
    }

    async fn part_bytes(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.part_bytes += bytes.len() as u64;
        let Part::Taken(intake) = &mut self.part else { return Ok(()) };
        if !intake.would_block() {
            intake.push(&bytes);
            return Ok(());
        }
        // The part is out of `self` while it is on a blocking thread; if this request goes away meanwhile, the
        // thread drops it.
        let Part::Taken(mut intake) = std::mem::replace(&mut self.part, Part::None) else { return Ok(()) };
        let pushed = tokio::task::spawn_blocking(move || {
            intake.push(&bytes);
            intake
        });
        self.part = match pushed.await {
            Ok(intake) => Part::Taken(intake),
            Err(_) => Part::Refused(PartResult::refused(reason::PROCESSING)),
        };
        Ok(())
    }

    async fn part_ends(&mut self) -> Result<(), Error> {
        let (tell, result) = oneshot::channel();
        self.waiting.push_back(Waiting { result, bytes: self.part_bytes });
        self.waiting_bytes += self.part_bytes;
        // Nobody listens any more when the request has gone away; the instance is stored all the same.
        let tell = move |result| drop(tell.send(result));
        match std::mem::replace(&mut self.part, Part::None) {
            Part::None => {}
            Part::Refused(result) => tell(result),
            Part::Taken(intake) if intake.would_block() => {
                let finished = tokio::task::spawn_blocking(move || intake.finish(tell));
                if finished.await.is_err() {
                    tracing::error!("storing an instance ended in a panic");
                }
            }
            Part::Taken(intake) => intake.finish(tell),
        }
        Ok(())
    }

    /// Takes the results that are there, without waiting.
    fn collect_ready(&mut self) {
        while let Some(front) = self.waiting.front_mut() {
            match front.result.try_recv() {
                Ok(result) => self.note(Some(result)),
                Err(oneshot::error::TryRecvError::Empty) => return,
                Err(oneshot::error::TryRecvError::Closed) => self.note(None),
            }
        }
    }

    /// Waits for the oldest result.
    async fn collect(&mut self) {
        if let Some(front) = self.waiting.front_mut() {
            let result = (&mut front.result).await.ok();
            self.note(result);
        }
    }

    /// Reports the result of the oldest waiting part.
    fn note(&mut self, result: Option<PartResult>) {
        if let Some(done) = self.waiting.pop_front() {
            self.waiting_bytes -= done.bytes;
        }
        match result.unwrap_or_else(|| PartResult::refused(reason::PROCESSING)) {
            PartResult::Stored(row) => {
                measure::instance("stored");
                self.report.stored(*row);
            }
            PartResult::Failed { failure, passing } => {
                measure::instance("failed");
                self.report.failed(failure, passing);
            }
        }
    }
}

/// Whether a part may be a Part 10 instance. `application/octet-stream` is what clients send that know no better;
/// the bytes decide.
fn is_dicom(headers: &PartHeaders) -> bool {
    let essence = headers.content_type.as_ref().map_or("application/dicom", |media| &media.essence);
    !headers.encoded && matches!(essence, "application/dicom" | "application/octet-stream")
}
