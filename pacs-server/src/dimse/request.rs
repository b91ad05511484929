//! A-ASSOCIATE-RQ (PS3.8 9.3.2, PS3.7 D.3.3): from a peer's bytes to dicom-ul's types.
//!
//! An own reader, because dicom-ul's refuses items of unknown types, which PS3.8 9.3.1 says to ignore, ignores the
//! lengths of some user items, and keeps as many items as fit into the PDU. Here a request of the largest allowed
//! size needs less than 1 MiB: texts are cut just beyond the longest valid one, lists after what anyone can need.

use dicom_ul::pdu::{
    AssociationRQ, PresentationContextProposed, RequestorRoles, UserIdentity, UserIdentityType,
    UserVariableItem,
};

use super::error::Violation;

/// Bytes before the variable items: protocol version, reserved, two AE titles, reserved.
const FIXED: usize = 68;
/// One more byte than the longest UID or other name has, so that a longer one is seen to be too long.
const TEXT_KEPT: usize = 65;
/// Transfer syntaxes of one presentation context that are looked at. The standard has some 60.
const TRANSFER_SYNTAXES_KEPT: usize = 64;
/// User items that are looked at: role and extended negotiation items come once per SOP class.
const USER_ITEMS_KEPT: usize = 1024;
/// Bytes kept of a SOP Class Extended Negotiation Sub-Item; those of the Storage Service Class have 6.
const APPLICATION_INFO_KEPT: usize = 32;
/// Type of the Asynchronous Operations Window Sub-Item (PS3.7 D.3.3.3), which dicom-ul has no variant for.
pub(super) const ASYNCHRONOUS_OPERATIONS: u8 = 0x53;

/// Reads the variable field of an A-ASSOCIATE-RQ PDU. Items of unknown types are skipped.
///
/// # Errors
/// [`Violation::MalformedPdu`] when lengths contradict each other, when a presentation context is without abstract
/// syntax, when its ID is even or used twice, or when there is none.
pub(super) fn read(body: &[u8]) -> Result<AssociationRQ, Violation> {
    let malformed = Violation::MalformedPdu;
    if body.len() < FIXED {
        return Err(malformed("A-ASSOCIATE-RQ is shorter than its fixed fields"));
    }
    let mut request = AssociationRQ {
        protocol_version: u16::from_be_bytes([body[0], body[1]]),
        called_ae_title: text(&body[4..20]),
        calling_ae_title: text(&body[20..36]),
        application_context_name: String::new(),
        presentation_contexts: Vec::new(),
        user_variables: Vec::new(),
    };
    let mut used = [false; 256];
    for item in Items(&body[FIXED..]) {
        match item? {
            (0x10, name) => request.application_context_name = text(name),
            (0x20, context) => {
                let context = presentation_context(context)?;
                if context.id.is_multiple_of(2) {
                    return Err(malformed("a presentation context ID is even"));
                }
                if std::mem::replace(&mut used[usize::from(context.id)], true) {
                    return Err(malformed("a presentation context ID is used twice"));
                }
                request.presentation_contexts.push(context);
            }
            (0x50, variables) => user_variables(variables, &mut request.user_variables)?,
            _ => {}
        }
    }
    if request.presentation_contexts.is_empty() {
        return Err(malformed("A-ASSOCIATE-RQ without presentation context"));
    }
    Ok(request)
}

/// Items or sub-items one after the other: type, reserved, length (2 bytes), value.
struct Items<'a>(&'a [u8]);

impl<'a> Iterator for Items<'a> {
    type Item = Result<(u8, &'a [u8]), Violation>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let cut = |rest: &'a [u8]| -> Option<(u8, &'a [u8], &'a [u8])> {
            let (header, rest) = rest.split_at_checked(4)?;
            let (value, rest) =
                rest.split_at_checked(usize::from(u16::from_be_bytes([header[2], header[3]])))?;
            Some((header[0], value, rest))
        };
        match cut(self.0) {
            Some((kind, value, rest)) => {
                self.0 = rest;
                Some(Ok((kind, value)))
            }
            None => {
                self.0 = &[];
                Some(Err(Violation::MalformedPdu("an item is longer than what holds it")))
            }
        }
    }
}

fn presentation_context(item: &[u8]) -> Result<PresentationContextProposed, Violation> {
    let (head, items) = item
        .split_at_checked(4)
        .ok_or(Violation::MalformedPdu("a presentation context item is too short"))?;
    let mut abstract_syntax = None;
    let mut transfer_syntaxes = Vec::new();
    for item in Items(items) {
        match item? {
            (0x30, name) => abstract_syntax = Some(text(name)),
            (0x40, name) if transfer_syntaxes.len() < TRANSFER_SYNTAXES_KEPT => {
                transfer_syntaxes.push(text(name))
            }
            _ => {}
        }
    }
    let abstract_syntax =
        abstract_syntax.ok_or(Violation::MalformedPdu("a presentation context has no abstract syntax"))?;
    Ok(PresentationContextProposed { id: head[0], abstract_syntax, transfer_syntaxes })
}

fn user_variables(items: &[u8], kept: &mut Vec<UserVariableItem>) -> Result<(), Violation> {
    for item in Items(items) {
        let (kind, value) = item?;
        if kept.len() < USER_ITEMS_KEPT {
            kept.extend(user_variable(kind, value)?);
        }
    }
    Ok(())
}

/// One user item (PS3.7 D.3.3, PS3.8 D.1), or none if it is of no interest here.
fn user_variable(kind: u8, value: &[u8]) -> Result<Option<UserVariableItem>, Violation> {
    let malformed = Violation::MalformedPdu;
    Ok(Some(match kind {
        0x51 => {
            let length = value.try_into().map_err(|_| malformed("a maximum length item has not 4 bytes"))?;
            UserVariableItem::MaxLength(u32::from_be_bytes(length))
        }
        0x52 => UserVariableItem::ImplementationClassUID(text(value)),
        ASYNCHRONOUS_OPERATIONS => UserVariableItem::Unknown(kind, value[..value.len().min(4)].to_vec()),
        0x54 => {
            let (sop_class, roles) = sop_class_first(value)?;
            let [scu, scp] =
                roles.try_into().map_err(|_| malformed("a role selection item has not 2 role bytes"))?;
            UserVariableItem::ScuScpRoleSelectionSubItem(
                sop_class,
                RequestorRoles { scu: scu == 1, scp: scp == 1 },
            )
        }
        0x55 => UserVariableItem::ImplementationVersionName(text(value)),
        0x56 => {
            let (sop_class, info) = sop_class_first(value)?;
            let info = info[..info.len().min(APPLICATION_INFO_KEPT)].to_vec();
            UserVariableItem::SopClassExtendedNegotiationSubItem(sop_class, info)
        }
        0x58 => {
            let (head, _) =
                value.split_at_checked(2).ok_or(malformed("a user identity item is too short"))?;
            let identity_type = match head[0] {
                1 => UserIdentityType::Username,
                2 => UserIdentityType::UsernamePassword,
                3 => UserIdentityType::KerberosServiceTicket,
                4 => UserIdentityType::SamlAssertion,
                5 => UserIdentityType::Jwt,
                _ => return Ok(None),
            };
            // Names, passwords and tokens are not looked at, so they are not kept either.
            UserVariableItem::UserIdentityItem(UserIdentity::new(
                head[1] == 1,
                identity_type,
                Vec::new(),
                Vec::new(),
            ))
        }
        _ => return Ok(None),
    }))
}

/// A SOP Class UID with its length before it, and what follows.
fn sop_class_first(value: &[u8]) -> Result<(String, &[u8]), Violation> {
    let split = || {
        let (length, rest) = value.split_at_checked(2)?;
        rest.split_at_checked(usize::from(u16::from_be_bytes([length[0], length[1]])))
    };
    let (uid, rest) = split().ok_or(Violation::MalformedPdu("a user item is shorter than its SOP class"))?;
    Ok((text(uid), rest))
}

/// A name without its padding. Bytes outside ASCII become a character that no UID and no AE title may have.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(TEXT_KEPT)]).trim_matches([' ', '\0']).to_owned()
}

#[cfg(test)]
mod tests {
    use dicom_ul::pdu::Pdu;

    use super::*;
    use crate::dimse::pdu::{PDU_HEADER, encode};

    fn request() -> AssociationRQ {
        AssociationRQ {
            protocol_version: 1,
            calling_ae_title: "CT1".into(),
            called_ae_title: "PACS".into(),
            application_context_name: "1.2.840.10008.3.1.1.1".into(),
            presentation_contexts: vec![PresentationContextProposed {
                id: 1,
                abstract_syntax: "1.2.840.10008.1.1".into(),
                transfer_syntaxes: vec!["1.2.840.10008.1.2".into(), "1.2.840.10008.1.2.1".into()],
            }],
            user_variables: vec![
                UserVariableItem::MaxLength(16_384),
                UserVariableItem::ImplementationClassUID("1.2.3".into()),
                UserVariableItem::Unknown(0x53, vec![0, 0, 0, 0]),
                UserVariableItem::ScuScpRoleSelectionSubItem(
                    "1.2.840.10008.1.1".into(),
                    RequestorRoles { scu: true, scp: false },
                ),
                UserVariableItem::ImplementationVersionName("TEST".into()),
                UserVariableItem::SopClassExtendedNegotiationSubItem("1.2.3".into(), vec![2, 0, 0, 0, 0, 0]),
            ],
        }
    }

    fn body(request: &AssociationRQ) -> Vec<u8> {
        encode(&Pdu::AssociationRQ(request.clone()))[PDU_HEADER..].to_vec()
    }

    #[test]
    fn what_dicom_ul_writes_is_read_back() {
        assert_eq!(read(&body(&request())), Ok(request()));
    }

    #[test]
    fn unknown_items_are_skipped_at_every_level() {
        let mut bytes = body(&request());
        bytes.extend([0x77, 0, 0, 3, 1, 2, 3]);
        bytes.extend([
            0x20, 0, 0, 20, 3, 0, 0, 0, 0x99, 0, 0, 1, 0, 0x30, 0, 0, 3, b'1', b'.', b'2', 0x40, 0, 0, 0,
        ]);
        bytes.extend([0x50, 0, 0, 5, 0x5f, 0, 0, 1, 9]);
        let read = read(&bytes).unwrap();
        assert_eq!(read.presentation_contexts.len(), 2);
        assert_eq!(read.presentation_contexts[1].abstract_syntax, "1.2");
        assert_eq!(read.user_variables, request().user_variables);
    }

    #[test]
    fn even_and_repeated_contexts_and_lying_lengths_are_malformed() {
        let with = |change: &dyn Fn(&mut AssociationRQ)| {
            let mut request = request();
            change(&mut request);
            read(&body(&request))
        };
        assert!(with(&|r| r.presentation_contexts[0].id = 2).is_err());
        assert!(with(&|r| r.presentation_contexts.push(r.presentation_contexts[0].clone())).is_err());
        assert!(with(&|r| r.presentation_contexts.clear()).is_err());
        let whole = body(&request());
        for end in 0..whole.len() {
            // Cut anywhere it is malformed, except between two items after the contexts.
            if let Ok(read) = read(&whole[..end]) {
                assert_eq!(read.presentation_contexts, request().presentation_contexts);
                assert!(read.user_variables.is_empty());
            }
        }
        for text in [&b"\xff\xfe"[..], b"1.2\0\0", b" CT "] {
            assert!(!super::text(text).contains('\0'));
        }
    }

    #[test]
    fn lists_and_texts_are_bounded() {
        let mut request = request();
        request.presentation_contexts = (0..128)
            .map(|n| PresentationContextProposed {
                id: n * 2 + 1,
                abstract_syntax: "1.2".into(),
                transfer_syntaxes: vec!["1.2".into(); 100],
            })
            .collect();
        request.user_variables = vec![UserVariableItem::Unknown(0x53, vec![]); 5000];
        request.user_variables.push(UserVariableItem::ImplementationVersionName("x".repeat(30_000)));
        let read = read(&body(&request)).unwrap();
        assert!(
            read.presentation_contexts.iter().all(|c| c.transfer_syntaxes.len() == TRANSFER_SYNTAXES_KEPT)
        );
        assert_eq!(read.user_variables.len(), USER_ITEMS_KEPT);
        assert_eq!(super::text(&[b'1'; 4000]).len(), TEXT_KEPT);
    }
}
