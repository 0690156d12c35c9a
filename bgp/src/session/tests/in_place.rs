//! An UPDATE read in place is the UPDATE that the whole decoder reads.

use bytes::BytesMut;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::Index;

use super::super::routes::routes;
use super::super::{Announcement, RouteUpdate};
use crate::wire::tests::{contexts, update};
use crate::wire::{
    DecodeContext, Decoded, EncodeContext, Family, Message, NextHop, NlriView, PathAttributes, PeerKind, Update,
    UpdateView,
};
use std::sync::Arc;

/// The routes of a message in place, as the whole decoder's way would tell them.
fn told(update: &UpdateView<'_>) -> Vec<RouteUpdate> {
    let announced = |next_hop: Option<NextHop>, nlri: NlriView<'_>| {
        let attributes = Arc::new(PathAttributes::decode_block(update.path.unwrap().block));
        Some(Announcement { nlri: nlri.collect(), attributes, next_hop: next_hop.unwrap() })
    };
    let row = |family, withdrawn: Option<NlriView<'_>>, announced| RouteUpdate {
        family,
        withdrawn: withdrawn.into_iter().flatten().collect(),
        announced,
    };
    let own = update.path.and_then(|path| path.next_hop).map(NextHop::V4);
    let classic = row(
        Family::IPV4_UNICAST,
        Some(update.withdrawn),
        if update.nlri.is_empty() { None } else { announced(own, update.nlri) },
    );
    let mut rows = vec![classic];
    match (update.unreach, update.reach) {
        (Some(unreach), Some((next_hop, nlri))) if unreach.family == nlri.family => {
            rows.push(row(nlri.family, Some(unreach), announced(Some(next_hop), nlri)));
        }
        (unreach, reach) => {
            rows.extend(unreach.map(|unreach| row(unreach.family, Some(unreach), None)));
            rows.extend(reach.map(|(next_hop, nlri)| row(nlri.family, None, announced(Some(next_hop), nlri))));
        }
    }
    rows.retain(|row| !row.withdrawn.is_empty() || row.announced.is_some());
    rows
}

/// Whether it is read in place; if so, that nothing else could be read.
fn check(frame: &[u8], context: &DecodeContext) -> Result<bool, TestCaseError> {
    let mut block = Vec::new();
    let Some(view) = UpdateView::parse(frame, context, &mut block) else { return Ok(false) };
    let decoded = Message::decode(frame, context);
    let Ok(Decoded { message: Message::Update(update), errors }) = decoded else {
        return Err(TestCaseError::fail(format!("{decoded:?}")));
    };
    prop_assert_eq!(errors, vec![]);
    prop_assert_eq!(update.end_of_rib(), None);
    if let Some(path) = view.path {
        let mut canonical = BytesMut::new();
        update.attributes.as_ref().unwrap().encode_block(&mut canonical);
        prop_assert_eq!(path.block, &canonical[..]);
    }
    let (routes, ignored) = routes(update, &[], |_| true);
    prop_assert_eq!(told(&view), routes);
    prop_assert_eq!(ignored, 0);
    Ok(true)
}

fn encoded(update: &Update, context: &EncodeContext) -> Vec<u8> {
    let mut out = BytesMut::new();
    Message::Update(update.clone()).encode(context, &mut out).unwrap();
    out.to_vec()
}

/// Without what a neighbour of this kind may not send.
fn fitting(mut update: Update, peer_kind: PeerKind) -> Update {
    if let Some(attributes) = &mut update.attributes {
        let attributes = Arc::make_mut(attributes);
        attributes.local_pref = (peer_kind == PeerKind::Internal).then_some(100);
        if peer_kind != PeerKind::Internal {
            attributes.originator_id = None;
            attributes.cluster_list.clear();
        }
    }
    update
}

proptest! {
    #[test]
    fn what_is_read_in_place_is_what_the_whole_decoder_reads(
        (add_path, message) in prop_oneof![update(false, false).prop_map(|it| (false, it)), update(true, true).prop_map(|it| (true, it))],
        mutations in vec((any::<Index>(), any::<u8>()), 0..4),
        cut in of(any::<Index>()),
        peer_kind in prop::sample::select(vec![PeerKind::External, PeerKind::Internal, PeerKind::Confederation, PeerKind::Unknown]),
        (four_octet_as, fits, as_path_limit) in (prop::bool::weighted(0.9), any::<bool>(), prop::sample::select(vec![3, 750])),
    ) {
        let (encode, decode) = contexts(add_path, true);
        let decode = DecodeContext { peer_kind, four_octet_as, as_path_limit, ..decode };
        let message = if fits { fitting(message, peer_kind) } else { message };
        let mut frame = encoded(&message, &encode);
        check(&frame, &decode)?;
        for (index, value) in mutations {
            let at = 19 + index.index(frame.len() - 19);
            frame[at] = value;
        }
        if let Some(cut) = cut {
            frame.truncate(23.max(cut.index(frame.len())));
        }
        let length = u16::try_from(frame.len()).unwrap();
        frame[16..18].copy_from_slice(&length.to_be_bytes());
        check(&frame, &decode)?;
    }

    #[test]
    fn what_a_careful_sender_writes_is_read_in_place(message in update(false, false), internal in any::<bool>()) {
        let (encode, decode) = contexts(false, true);
        let peer_kind = if internal { PeerKind::Internal } else { PeerKind::External };
        let mut message = fitting(message, peer_kind);
        // Families that are not decoded, fields with nothing in them, and attributes without routes are left to the
        // whole decoder.
        let typed = |nlri: &crate::wire::MpNlri| matches!(nlri, crate::wire::MpNlri::Unicast(nlri) if !nlri.is_empty());
        message.mp_reach = message.mp_reach.filter(|reach| typed(&reach.nlri));
        message.mp_unreach = message.mp_unreach.filter(|unreach| typed(&unreach.nlri));
        message.stray_attributes.clear();
        if !message.announces() {
            message.attributes = None;
        }
        prop_assume!(message.attributes.is_some() || !message.withdrawn.is_empty() || message.mp_unreach.is_some());
        let context = DecodeContext { peer_kind, ..decode };
        let in_place = check(&encoded(&message, &encode), &context)?;
        prop_assert!(in_place);
    }
}

#[test]
fn headers_that_are_longer_than_need_be_are_kept_short() {
    let context = DecodeContext { peer_kind: PeerKind::External, ..DecodeContext::default() };
    let mut frame = vec![0xff; 16];
    frame.extend([0, 0, 2, 0, 0, 0, 22]);
    // FRR writes AS_PATH with two octets of length.
    frame.extend([0x40, 1, 1, 0, 0x50, 2, 0, 6, 2, 1, 0, 0, 0xfd, 0xe9, 0x50, 3, 0, 4, 192, 0, 2, 1]);
    frame[21..23].copy_from_slice(&(22_u16).to_be_bytes());
    frame.extend([8, 10]);
    let length = u16::try_from(frame.len()).unwrap();
    frame[16..18].copy_from_slice(&length.to_be_bytes());
    assert!(check(&frame, &context).unwrap());
    let mut block = Vec::new();
    let view = UpdateView::parse(&frame, &context, &mut block).unwrap();
    let short = [0x40, 1, 1, 0, 0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xe9, 0x40, 3, 4, 192, 0, 2, 1];
    assert_eq!(view.path.unwrap().block, short);
}
