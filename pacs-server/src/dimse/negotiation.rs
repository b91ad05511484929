//! Association negotiation (PS3.7 annex D, PS3.8 7.1): a request in, an answer out. No I/O, no state.

use dicom_ul::pdu::{
    AssociationAC, AssociationRJ, AssociationRJResult, AssociationRJServiceProviderASCEReason,
    AssociationRJServiceProviderPresentationReason, AssociationRJServiceUserReason, AssociationRJSource,
    AssociationRQ, PresentationContextProposed, PresentationContextResult,
    PresentationContextResultReason as Reason, RequestorRoles, UserVariableItem,
};
use storage_config::Uid;

use super::request::ASYNCHRONOUS_OPERATIONS;
use super::sop_classes::{Service, service};
use super::{IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME};

/// Abstract syntax of C-ECHO (PS3.4 A.4).
pub(super) const VERIFICATION: &str = "1.2.840.10008.1.1";
/// The DICOM application context name (PS3.7 A.2.1).
const APPLICATION_CONTEXT: &str = "1.2.840.10008.3.1.1.1";
const IMPLICIT_VR_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2";
const EXPLICIT_VR_BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";
/// Type of the User Identity Negotiation response (PS3.7 D.3.3.7.2), which dicom-ul has no variant for.
const USER_IDENTITY_RESPONSE: u8 = 0x59;
/// Storage Service Class application information (PS3.4 B.3.1): level 2 (full), every digital signature kept,
/// no element is coerced.
const STORAGE_SUPPORT: [u8; 6] = [2, 0, 3, 0, 0, 0];

/// A presentation context that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Context {
    /// Presentation Context ID.
    pub id: u8,
    /// What it is for.
    pub service: Service,
    /// How its data sets are encoded.
    pub transfer_syntax: Uid,
}

/// The outcome of a negotiation that did not fail as a whole.
#[derive(Debug)]
pub(super) struct Negotiated {
    /// Accepted presentation contexts; there may be none.
    pub contexts: Vec<Context>,
    /// The answer.
    pub accept: AssociationAC,
    /// Longest P-DATA-TF variable field the peer takes, in bytes; 0: any.
    pub peer_max_pdu: u32,
}

/// Negotiates `request`; `max_pdu` is the longest P-DATA-TF variable field this side takes.
///
/// Accepted are C-ECHO, performed procedure steps and every SOP class that is not known to be for something else; of
/// the proposed transfer syntaxes the first that is not Explicit VR Big Endian, unless that is the only one.
///
/// # Errors
/// The rejection of the whole association: protocol version or application context not supported.
pub(super) fn negotiate(request: &AssociationRQ, max_pdu: u32) -> Result<Negotiated, AssociationRJ> {
    if request.protocol_version & 1 == 0 {
        return Err(permanent(AssociationRJSource::ServiceProviderASCE(
            AssociationRJServiceProviderASCEReason::ProtocolVersionNotSupported,
        )));
    }
    if request.application_context_name != APPLICATION_CONTEXT {
        return Err(permanent(AssociationRJSource::ServiceUser(
            AssociationRJServiceUserReason::ApplicationContextNameNotSupported,
        )));
    }
    let mut contexts = Vec::new();
    let results = request.presentation_contexts.iter().map(|proposed| {
        let (reason, transfer_syntax) = match context(proposed) {
            Ok(context) => {
                let name = context.transfer_syntax.to_string();
                contexts.push(context);
                (Reason::Acceptance, name)
            }
            // The transfer syntax of a refused context is not significant, but the item has to be there.
            Err(reason) => (reason, IMPLICIT_VR_LITTLE_ENDIAN.to_owned()),
        };
        PresentationContextResult { id: proposed.id, reason, transfer_syntax }
    });
    let presentation_contexts = results.collect();
    let peer_max_pdu = request.user_variables.iter().find_map(|item| match item {
        UserVariableItem::MaxLength(length) => Some(*length),
        _ => None,
    });
    let accept = AssociationAC {
        protocol_version: 1,
        calling_ae_title: echoed(&request.calling_ae_title),
        called_ae_title: echoed(&request.called_ae_title),
        application_context_name: APPLICATION_CONTEXT.to_owned(),
        presentation_contexts,
        user_variables: user_variables(request, max_pdu),
    };
    Ok(Negotiated { contexts, accept, peer_max_pdu: peer_max_pdu.unwrap_or(0) })
}

/// A title field of the answer: as received (PS3.8 table 9-17), unless it is no text that could be written.
fn echoed(title: &str) -> String {
    if title.len() <= 16 && title.is_ascii() { title.to_owned() } else { String::new() }
}

fn context(proposed: &PresentationContextProposed) -> Result<Context, Reason> {
    let abstract_syntax =
        Uid::parse(&proposed.abstract_syntax).map_err(|_| Reason::AbstractSyntaxNotSupported)?;
    let service = service(abstract_syntax.as_str());
    if service == Service::None {
        return Err(Reason::AbstractSyntaxNotSupported);
    }
    let mut offered = proposed.transfer_syntaxes.iter().filter_map(|name| Uid::parse(name).ok()).peekable();
    let first = offered.peek().cloned();
    let transfer_syntax = offered
        .find(|name| name.as_str() != EXPLICIT_VR_BIG_ENDIAN)
        .or(first)
        .ok_or(Reason::TransferSyntaxesNotSupported)?;
    Ok(Context { id: proposed.id, service, transfer_syntax })
}

/// The user items of the answer (PS3.7 D.3.3).
fn user_variables(request: &AssociationRQ, max_pdu: u32) -> Vec<UserVariableItem> {
    let mut items = vec![
        UserVariableItem::MaxLength(max_pdu),
        UserVariableItem::ImplementationClassUID(IMPLEMENTATION_CLASS_UID.to_owned()),
        UserVariableItem::ImplementationVersionName(IMPLEMENTATION_VERSION_NAME.to_owned()),
    ];
    for proposed in &request.user_variables {
        let answer = match proposed {
            // One operation invoked and one performed at a time: synchronous (PS3.7 D.3.3.3).
            UserVariableItem::Unknown(ASYNCHRONOUS_OPERATIONS, _) => {
                UserVariableItem::Unknown(ASYNCHRONOUS_OPERATIONS, vec![0, 1, 0, 1])
            }
            // This side is never an SCU on an association it accepted.
            UserVariableItem::ScuScpRoleSelectionSubItem(sop_class, roles) if answerable(sop_class) => {
                let roles = RequestorRoles { scu: roles.scu, scp: false };
                UserVariableItem::ScuScpRoleSelectionSubItem(sop_class.clone(), roles)
            }
            UserVariableItem::SopClassExtendedNegotiationSubItem(sop_class, _)
                if answerable(sop_class) && service(sop_class) == Service::Storage =>
            {
                let support = STORAGE_SUPPORT.to_vec();
                UserVariableItem::SopClassExtendedNegotiationSubItem(sop_class.clone(), support)
            }
            // An identity is accepted and not looked at; the response carries no server ticket or assertion.
            UserVariableItem::UserIdentityItem(identity) if identity.positive_response_requested() => {
                UserVariableItem::Unknown(USER_IDENTITY_RESPONSE, vec![0, 0])
            }
            _ => continue,
        };
        items.push(answer);
    }
    items
}

/// Whether a user item names a SOP class that this side provides.
fn answerable(sop_class: &str) -> bool {
    Uid::parse(sop_class).is_ok() && service(sop_class) != Service::None
}

fn permanent(source: AssociationRJSource) -> AssociationRJ {
    AssociationRJ { result: AssociationRJResult::Permanent, source }
}

/// The calling AE title is not known, or not from this address (PS3.8 9.3.4).
pub(super) fn calling_not_recognized() -> AssociationRJ {
    permanent(AssociationRJSource::ServiceUser(AssociationRJServiceUserReason::CallingAETitleNotRecognized))
}

/// The called AE title is none of ours (PS3.8 9.3.4).
pub(super) fn called_not_recognized() -> AssociationRJ {
    permanent(AssociationRJSource::ServiceUser(AssociationRJServiceUserReason::CalledAETitleNotRecognized))
}

/// No more associations at the moment (PS3.8 9.3.4).
pub(super) fn local_limit_exceeded() -> AssociationRJ {
    transient(AssociationRJServiceProviderPresentationReason::LocalLimitExceeded)
}

/// Not now: the server stops, or the system gives no thread (PS3.8 9.3.4).
pub(super) fn temporary_congestion() -> AssociationRJ {
    transient(AssociationRJServiceProviderPresentationReason::TemporaryCongestion)
}

fn transient(reason: AssociationRJServiceProviderPresentationReason) -> AssociationRJ {
    AssociationRJ {
        result: AssociationRJResult::Transient,
        source: AssociationRJSource::ServiceProviderPresentation(reason),
    }
}

#[cfg(test)]
mod tests {
    use dicom_ul::pdu::{UserIdentity, UserIdentityType};

    use super::*;

    const CT: &str = "1.2.840.10008.5.1.4.1.1.2";

    fn request(contexts: &[(&str, &[&str])], user_variables: Vec<UserVariableItem>) -> AssociationRQ {
        let contexts =
            contexts.iter().zip((1..).step_by(2)).map(|((name, syntaxes), id)| PresentationContextProposed {
                id,
                abstract_syntax: (*name).into(),
                transfer_syntaxes: syntaxes.iter().map(|s| (*s).into()).collect(),
            });
        AssociationRQ {
            protocol_version: 1,
            calling_ae_title: "CT1".into(),
            called_ae_title: "PACS".into(),
            application_context_name: APPLICATION_CONTEXT.into(),
            presentation_contexts: contexts.collect(),
            user_variables,
        }
    }

    #[test]
    fn the_first_transfer_syntax_that_is_not_big_endian_is_taken() {
        let private = "1.2.840.113619.5.2";
        let cases: [(&[&str], Option<&str>); 7] = [
            (&[IMPLICIT_VR_LITTLE_ENDIAN, "1.2.840.10008.1.2.1"], Some(IMPLICIT_VR_LITTLE_ENDIAN)),
            (&[EXPLICIT_VR_BIG_ENDIAN, "1.2.840.10008.1.2.1"], Some("1.2.840.10008.1.2.1")),
            (&[EXPLICIT_VR_BIG_ENDIAN], Some(EXPLICIT_VR_BIG_ENDIAN)),
            (&[private, IMPLICIT_VR_LITTLE_ENDIAN], Some(private)),
            (&["../../x", "1.2.840.10008.1.2.4.90"], Some("1.2.840.10008.1.2.4.90")),
            (&["../../x"], None),
            (&[], None),
        ];
        for (proposed, taken) in cases {
            let negotiated = negotiate(&request(&[(CT, proposed)], vec![]), 0).unwrap();
            assert_eq!(
                negotiated.contexts.first().map(|c| c.transfer_syntax.as_str()),
                taken,
                "{proposed:?}"
            );
            let result = &negotiated.accept.presentation_contexts[0];
            let expected =
                if taken.is_some() { Reason::Acceptance } else { Reason::TransferSyntaxesNotSupported };
            assert_eq!(result.reason, expected);
        }
    }

    #[test]
    fn abstract_syntaxes_that_are_not_stored_are_refused_one_by_one() {
        let syntaxes: &[&str] = &[IMPLICIT_VR_LITTLE_ENDIAN];
        let contexts = [
            (VERIFICATION, syntaxes),
            ("1.2.840.10008.5.1.4.31", syntaxes),
            ("1.2.3.4", syntaxes),
            ("x", syntaxes),
            ("1.2.840.10008.3.1.2.3.3", syntaxes),
        ];
        let negotiated = negotiate(&request(&contexts, vec![]), 0).unwrap();
        let ids: Vec<_> = negotiated.contexts.iter().map(|c| (c.id, c.service)).collect();
        assert_eq!(ids, [(1, Service::Verification), (5, Service::Storage), (9, Service::PerformedStep)]);
        assert_eq!(negotiated.accept.presentation_contexts[1].reason, Reason::AbstractSyntaxNotSupported);
        assert_eq!(negotiated.accept.presentation_contexts.len(), 5);
    }

    #[test]
    fn user_items_are_answered() {
        let identity = UserIdentity::new(true, UserIdentityType::UsernamePassword, vec![], vec![]);
        let proposed = vec![
            UserVariableItem::MaxLength(4096),
            UserVariableItem::Unknown(0x53, vec![0, 0, 0, 0]),
            UserVariableItem::ScuScpRoleSelectionSubItem(CT.into(), RequestorRoles { scu: true, scp: true }),
            UserVariableItem::SopClassExtendedNegotiationSubItem(CT.into(), vec![0; 6]),
            UserVariableItem::UserIdentityItem(identity),
        ];
        let negotiated =
            negotiate(&request(&[(CT, &[IMPLICIT_VR_LITTLE_ENDIAN])], proposed), 131_072).unwrap();
        assert_eq!(negotiated.peer_max_pdu, 4096);
        let items = &negotiated.accept.user_variables;
        assert!(items.contains(&UserVariableItem::MaxLength(131_072)));
        assert!(items.contains(&UserVariableItem::Unknown(0x53, vec![0, 1, 0, 1])));
        assert!(items.contains(&UserVariableItem::Unknown(0x59, vec![0, 0])));
        let roles = RequestorRoles { scu: true, scp: false };
        assert!(items.contains(&UserVariableItem::ScuScpRoleSelectionSubItem(CT.into(), roles)));
        assert!(IMPLEMENTATION_VERSION_NAME.len() <= 16 && Uid::parse(IMPLEMENTATION_CLASS_UID).is_ok());
    }

    #[test]
    fn another_protocol_or_application_context_is_rejected_for_good() {
        let mut other = request(&[(CT, &[IMPLICIT_VR_LITTLE_ENDIAN])], vec![]);
        other.application_context_name = "1.2.3".into();
        assert_eq!(crate::dimse::pdu::reject(&negotiate(&other, 0).unwrap_err())[7..], [1, 1, 2]);
        other.protocol_version = 2;
        assert_eq!(crate::dimse::pdu::reject(&negotiate(&other, 0).unwrap_err())[7..], [1, 2, 2]);
        assert_eq!(crate::dimse::pdu::reject(&calling_not_recognized())[7..], [1, 1, 3]);
        assert_eq!(crate::dimse::pdu::reject(&called_not_recognized())[7..], [1, 1, 7]);
        assert_eq!(crate::dimse::pdu::reject(&local_limit_exceeded())[7..], [2, 3, 2]);
        assert_eq!(crate::dimse::pdu::reject(&temporary_congestion())[7..], [2, 3, 1]);
    }
}
