//! Command sets (PS3.7 6.3, annex E): group 0000 in Implicit VR Little Endian, read and written by an own bounded
//! reader and writer. No general data set parser ever sees a command set.

use storage_config::Uid;

use super::answer::Answer;
use super::error::Violation;

/// Command Field values (PS3.7 E.1).
pub(super) const C_STORE_RQ: u16 = 0x0001;
/// Command Field of C-ECHO-RQ.
pub(super) const C_ECHO_RQ: u16 = 0x0030;
/// Command Field of N-SET-RQ.
pub(super) const N_SET_RQ: u16 = 0x0120;
/// Command Field of N-CREATE-RQ.
pub(super) const N_CREATE_RQ: u16 = 0x0140;
/// Command Field of C-CANCEL-RQ.
pub(super) const C_CANCEL_RQ: u16 = 0x0FFF;
/// Bit of the Command Field that makes a request a response.
const RESPONSE: u16 = 0x8000;
/// Command Data Set Type of a message without data set; every other value means there is one.
const NO_DATA_SET: u16 = 0x0101;

const COMMAND_GROUP_LENGTH: u16 = 0x0000;
const AFFECTED_SOP_CLASS_UID: u16 = 0x0002;
const REQUESTED_SOP_CLASS_UID: u16 = 0x0003;
const COMMAND_FIELD: u16 = 0x0100;
const MESSAGE_ID: u16 = 0x0110;
const MESSAGE_ID_BEING_RESPONDED_TO: u16 = 0x0120;
const COMMAND_DATA_SET_TYPE: u16 = 0x0800;
const STATUS: u16 = 0x0900;
const ERROR_COMMENT: u16 = 0x0902;
const ERROR_ID: u16 = 0x0903;
const AFFECTED_SOP_INSTANCE_UID: u16 = 0x1000;
const REQUESTED_SOP_INSTANCE_UID: u16 = 0x1001;

/// A UID of a command set, which need not be one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Named {
    /// The element is absent.
    #[default]
    Absent,
    /// The element is empty, too long or has other characters than digits and dots.
    Invalid,
    /// A UID.
    Uid(Uid),
}

impl Named {
    /// The UID, if there is one.
    pub fn uid(&self) -> Option<&Uid> {
        match self {
            Named::Uid(uid) => Some(uid),
            Named::Absent | Named::Invalid => None,
        }
    }
}

/// What matters here of a request's command set. Priority, Move Originator and unknown elements are passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Command {
    /// Command Field (0000,0100).
    pub field: u16,
    /// Message ID (0000,0110); 0 if absent.
    pub message_id: u16,
    /// Whether a data set follows (0000,0800).
    pub has_data_set: bool,
    /// Affected SOP Class UID (0000,0002); what acts on an instance that is there names the Requested one (0000,0003).
    pub sop_class: Named,
    /// Affected SOP Instance UID (0000,1000), or the Requested one (0000,1001).
    pub sop_instance: Named,
}

impl Command {
    /// Reads a whole command set.
    ///
    /// # Errors
    /// [`Violation::MalformedCommand`] when a length goes beyond the command set, when an element is of another
    /// group or comes twice, or when Command Field, Data Set Type or the Message ID of a request is missing;
    /// [`Violation::UnexpectedCommand`] when it is a response: this side never asks.
    pub fn read(mut bytes: &[u8]) -> Result<Command, Violation> {
        let malformed = Violation::MalformedCommand;
        let (mut field, mut message_id, mut data_set_type) = (None, None, None);
        let (mut sop_class, mut sop_instance) = (Named::Absent, Named::Absent);
        let mut previous = None;
        while !bytes.is_empty() {
            let (element, value, rest) = split_element(bytes)?;
            if previous.is_some_and(|p| p >= element) {
                return Err(malformed("the elements are not in ascending order"));
            }
            previous = Some(element);
            bytes = rest;
            match element {
                COMMAND_FIELD => field = Some(unsigned_short(value)?),
                MESSAGE_ID => message_id = Some(unsigned_short(value)?),
                COMMAND_DATA_SET_TYPE => data_set_type = Some(unsigned_short(value)?),
                AFFECTED_SOP_CLASS_UID | REQUESTED_SOP_CLASS_UID => sop_class = named(value),
                AFFECTED_SOP_INSTANCE_UID | REQUESTED_SOP_INSTANCE_UID => sop_instance = named(value),
                _ => {}
            }
        }
        let field = field.ok_or(malformed("no Command Field"))?;
        if field & RESPONSE != 0 {
            return Err(Violation::UnexpectedCommand(field));
        }
        // A C-CANCEL names the message it cancels in another element.
        if message_id.is_none() && field != C_CANCEL_RQ {
            return Err(malformed("no Message ID"));
        }
        let data_set_type = data_set_type.ok_or(malformed("no Command Data Set Type"))?;
        Ok(Command {
            field,
            message_id: message_id.unwrap_or(0),
            has_data_set: data_set_type != NO_DATA_SET,
            sop_class,
            sop_instance,
        })
    }
}

/// Element number, value and what follows.
fn split_element(bytes: &[u8]) -> Result<(u16, &[u8], &[u8]), Violation> {
    let short = Violation::MalformedCommand("an element goes beyond the command set");
    let (head, rest) = bytes.split_first_chunk::<8>().ok_or(short)?;
    let &[g0, g1, e0, e1, l0, l1, l2, l3] = head;
    if u16::from_le_bytes([g0, g1]) != 0 {
        return Err(Violation::MalformedCommand("an element is not of group 0000"));
    }
    let length = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).map_err(|_| short)?;
    let (value, rest) = rest.split_at_checked(length).ok_or(short)?;
    Ok((u16::from_le_bytes([e0, e1]), value, rest))
}

fn unsigned_short(value: &[u8]) -> Result<u16, Violation> {
    let value = value.try_into().map_err(|_| Violation::MalformedCommand("a number has not 2 bytes"))?;
    Ok(u16::from_le_bytes(value))
}

fn named(value: &[u8]) -> Named {
    Uid::parse_bytes(value).map_or(Named::Invalid, Named::Uid)
}

/// Writes the response to `request` over `out`: its SOP class and instance, if they are UIDs, and what is answered. An
/// instance that the answer names stands in the place of the request's.
pub(super) fn write_response(out: &mut Vec<u8>, request: &Command, answer: &Answer) {
    out.clear();
    unsigned_long(out, COMMAND_GROUP_LENGTH, 0);
    if let Some(uid) = request.sop_class.uid() {
        text(out, AFFECTED_SOP_CLASS_UID, uid.as_str(), 0);
    }
    number(out, COMMAND_FIELD, request.field | RESPONSE);
    number(out, MESSAGE_ID_BEING_RESPONDED_TO, request.message_id);
    number(out, COMMAND_DATA_SET_TYPE, NO_DATA_SET);
    number(out, STATUS, answer.status.0);
    if !answer.comment.is_empty() {
        text(out, ERROR_COMMENT, &answer.comment, b' ');
    }
    if let Some(id) = answer.error_id {
        number(out, ERROR_ID, id);
    }
    if let Some(uid) = answer.sop_instance.as_ref().or(request.sop_instance.uid()) {
        text(out, AFFECTED_SOP_INSTANCE_UID, uid.as_str(), 0);
    }
    let length = u32::try_from(out.len() - 12).unwrap_or(0);
    out[8..12].copy_from_slice(&length.to_le_bytes());
}

fn element(out: &mut Vec<u8>, element: u16, length: usize) {
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&element.to_le_bytes());
    // Values of at most 64 characters or 4 bytes.
    out.extend_from_slice(&u32::try_from(length).unwrap_or(0).to_le_bytes());
}

fn unsigned_long(out: &mut Vec<u8>, number: u16, value: u32) {
    element(out, number, 4);
    out.extend_from_slice(&value.to_le_bytes());
}

fn number(out: &mut Vec<u8>, number: u16, value: u16) {
    element(out, number, 2);
    out.extend_from_slice(&value.to_le_bytes());
}

fn text(out: &mut Vec<u8>, number: u16, value: &str, padding: u8) {
    let odd = value.len() % 2;
    element(out, number, value.len() + odd);
    out.extend_from_slice(value.as_bytes());
    out.extend(std::iter::repeat_n(padding, odd));
}

#[cfg(test)]
mod tests {
    use super::super::status::Status;
    use super::*;

    /// A command set as an SCU sends it.
    fn request(field: u16, class: &str, instance: &str, has_data_set: bool) -> Vec<u8> {
        let mut out = Vec::new();
        unsigned_long(&mut out, COMMAND_GROUP_LENGTH, 0);
        text(&mut out, AFFECTED_SOP_CLASS_UID, class, 0);
        number(&mut out, COMMAND_FIELD, field);
        number(&mut out, MESSAGE_ID, 7);
        number(&mut out, 0x0700, 0);
        number(&mut out, COMMAND_DATA_SET_TYPE, if has_data_set { 0 } else { NO_DATA_SET });
        if !instance.is_empty() {
            text(&mut out, AFFECTED_SOP_INSTANCE_UID, instance, 0);
        }
        out
    }

    #[test]
    fn a_store_request_is_read_and_answered() {
        let command = Command::read(&request(C_STORE_RQ, "1.2.3", "1.2.3.4", true)).unwrap();
        assert_eq!((command.field, command.message_id, command.has_data_set), (1, 7, true));
        assert_eq!(command.sop_instance, Named::Uid(Uid::parse("1.2.3.4").unwrap()));
        let mut out = vec![1, 2, 3];
        write_response(&mut out, &command, &Answer::failure(Status::MISMATCH, "why"));
        assert_eq!(Command::read(&out), Err(Violation::UnexpectedCommand(0x8001)));
        assert_eq!(u32::from_le_bytes(out[8..12].try_into().unwrap()) as usize, out.len() - 12);
        let expected =
            [0, 0, 0x00, 0x09, 2, 0, 0, 0, 0x00, 0xa9, 0, 0, 0x02, 0x09, 4, 0, 0, 0, b'w', b'h', b'y', b' '];
        assert!(out.windows(expected.len()).any(|w| w == expected));
    }

    #[test]
    fn a_change_names_the_requested_instance_and_its_answer_the_affected_one() {
        let mut bytes = Vec::new();
        text(&mut bytes, REQUESTED_SOP_CLASS_UID, "1.2.3", 0);
        number(&mut bytes, COMMAND_FIELD, N_SET_RQ);
        number(&mut bytes, MESSAGE_ID, 9);
        number(&mut bytes, COMMAND_DATA_SET_TYPE, 0);
        text(&mut bytes, REQUESTED_SOP_INSTANCE_UID, "1.2.3.4", 0);
        let command = Command::read(&bytes).unwrap();
        assert_eq!(command.sop_class, Named::Uid(Uid::parse("1.2.3").unwrap()));
        assert_eq!(command.sop_instance, Named::Uid(Uid::parse("1.2.3.4").unwrap()));
        let closed = Answer {
            error_id: Some(0xA710),
            sop_instance: Some(Uid::parse("1.2.5").unwrap()),
            ..Answer::failure(Status::PROCESSING_FAILURE, "no more")
        };
        let mut out = Vec::new();
        write_response(&mut out, &command, &closed);
        for part in [
            &[0, 0, 0x03, 0x09, 2, 0, 0, 0, 0x10, 0xa7][..],
            &[0, 0, 0x00, 0x01, 2, 0, 0, 0, 0x20, 0x81],
            &[0, 0, 0x00, 0x10, 6, 0, 0, 0, b'1', b'.', b'2', b'.', b'5', 0],
        ] {
            assert!(out.windows(part.len()).any(|window| window == part), "{part:02x?}");
        }
    }

    #[test]
    fn uids_that_are_none_are_seen_and_not_echoed() {
        for bad in ["../../x", "/etc/x", "..%2f", "1.2\r\n", "1.2*", "1\\2", &"1".repeat(65), "١.٢"] {
            let command = Command::read(&request(C_STORE_RQ, "1.2.3", bad, true)).unwrap();
            assert_eq!(command.sop_instance, Named::Invalid, "{bad:?}");
            let mut out = Vec::new();
            write_response(&mut out, &command, &Answer::failure(Status::MISMATCH, ""));
            assert!(!out.windows(bad.len()).any(|w| w == bad.as_bytes()));
        }
        assert_eq!(
            Command::read(&request(C_STORE_RQ, "1.2.3", "", true)).unwrap().sop_instance,
            Named::Absent
        );
    }

    #[test]
    fn what_is_no_command_set_is_refused() {
        let good = request(C_ECHO_RQ, "1.2.840.10008.1.1", "", false);
        assert!(Command::read(&good).is_ok());
        for end in 1..good.len() {
            assert!(Command::read(&good[..end]).is_err(), "cut at {end}");
        }
        let mut twice = good.clone();
        twice.extend_from_slice(&good[good.len() - 10..]);
        assert!(Command::read(&twice).is_err());
        let mut huge = good.clone();
        let at = huge.len() - 6;
        huge[at..at + 4].copy_from_slice(&[0xff; 4]);
        assert!(Command::read(&huge).is_err());
        assert!(Command::read(&[]).is_err());
        assert!(Command::read(&[8, 0, 0x18, 0, 0, 0, 0, 0]).is_err());
    }
}
