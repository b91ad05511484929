//! A model of data sets for tests: trees that are encoded by rules written down here a second time, so that scanner and
//! reader are checked against something that is not themselves.
#![allow(dead_code, clippy::unwrap_used)]

use indexer::dataset::{
    DataSet, DataSetError, Element, Encoding, Endian, Event, Items, ScanLimits, Scanner, Skeleton, Tag,
    Value, Vr,
};
use proptest::prelude::*;
use storage_config::Uid;

pub const IMPLICIT: &str = "1.2.840.10008.1.2";
pub const EXPLICIT: &str = "1.2.840.10008.1.2.1";
pub const DEFLATED: &str = "1.2.840.10008.1.2.1.99";
pub const BIG: &str = "1.2.840.10008.1.2.2";

const SEQUENCES: [Tag; 4] =
    [Tag(0x0008, 0x1115), Tag(0x0008, 0x1140), Tag(0x0040, 0x0275), Tag(0x0088, 0x0200)];

#[derive(Debug, Clone)]
pub enum Node {
    Value { vr: Vr, bytes: Vec<u8> },
    Sequence { items: Vec<Vec<Node>>, defined: bool, items_defined: bool, un: bool },
    Pixels { table: Vec<u8>, fragments: Vec<Vec<u8>> },
}

/// One thing that reading meets, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Met {
    Bytes(Tag, Vec<u8>),
    Bulk(Tag, u64),
    Open(Tag),
    Item,
    ItemEnd,
    Close,
}

/// An encoded tree, what reading it must meet, and its bulk values.
#[derive(Debug, Default)]
pub struct Model {
    pub bytes: Vec<u8>,
    pub met: Vec<Met>,
    pub bulk: Vec<Vec<u8>>,
}

impl Model {
    pub fn of(nodes: &[Node], encoding: Encoding) -> Self {
        let mut model = Self::default();
        let mut bytes = Vec::new();
        model.data_set(nodes, encoding, &mut bytes);
        model.bytes = bytes;
        model
    }

    fn data_set(&mut self, nodes: &[Node], encoding: Encoding, out: &mut Vec<u8>) {
        for (i, node) in nodes.iter().enumerate() {
            match node {
                Node::Value { vr, bytes } => {
                    let tag = Tag(0x0011, 0x1000 + i as u16);
                    header(out, encoding, tag, *vr, Some(bytes.len()));
                    out.extend_from_slice(bytes);
                    self.value(tag, bytes);
                }
                Node::Pixels { table, fragments } => {
                    let tag = Tag(0x7FE0, 0x0010);
                    header(out, encoding, tag, Vr::OB, None);
                    let mut value = Vec::new();
                    for item in [table].into_iter().chain(fragments) {
                        marker(&mut value, encoding.endian, 0xE000, item.len() as u32);
                        value.extend_from_slice(item);
                    }
                    marker(&mut value, encoding.endian, 0xE0DD, 0);
                    out.extend_from_slice(&value);
                    self.met.push(Met::Bulk(tag, value.len() as u64));
                    self.bulk.push(value);
                }
                Node::Sequence { items, defined, items_defined, un } => {
                    let un = *un && encoding.explicit;
                    let tag = SEQUENCES[i % SEQUENCES.len()];
                    self.met.push(Met::Open(tag));
                    let within = if un { Encoding::IMPLICIT_LITTLE } else { encoding };
                    let defined = *defined && !un;
                    let value = self.items(items, within, *items_defined, !defined);
                    let vr = if un { Vr::UN } else { Vr::SQ };
                    header(out, encoding, tag, vr, defined.then_some(value.len()));
                    out.extend_from_slice(&value);
                    self.met.push(Met::Close);
                }
            }
        }
    }

    fn value(&mut self, tag: Tag, bytes: &[u8]) {
        if bytes.len() >= 4096 {
            self.met.push(Met::Bulk(tag, bytes.len() as u64));
            self.bulk.push(bytes.to_vec());
        } else {
            self.met.push(Met::Bytes(tag, bytes.to_vec()));
        }
    }

    fn items(&mut self, items: &[Vec<Node>], encoding: Encoding, defined: bool, delimited: bool) -> Vec<u8> {
        let mut out = Vec::new();
        for item in items {
            self.met.push(Met::Item);
            let mut content = Vec::new();
            self.data_set(item, encoding, &mut content);
            let length = if defined { content.len() as u32 } else { u32::MAX };
            marker(&mut out, encoding.endian, 0xE000, length);
            out.append(&mut content);
            if !defined {
                marker(&mut out, encoding.endian, 0xE00D, 0);
            }
            self.met.push(Met::ItemEnd);
        }
        if delimited {
            marker(&mut out, encoding.endian, 0xE0DD, 0);
        }
        out
    }
}

fn u16_bytes(endian: Endian, number: u16) -> [u8; 2] {
    if endian == Endian::Big { number.to_be_bytes() } else { number.to_le_bytes() }
}

fn u32_bytes(endian: Endian, number: u32) -> [u8; 4] {
    if endian == Endian::Big { number.to_be_bytes() } else { number.to_le_bytes() }
}

pub fn marker(out: &mut Vec<u8>, endian: Endian, element: u16, length: u32) {
    out.extend_from_slice(&u16_bytes(endian, 0xFFFE));
    out.extend_from_slice(&u16_bytes(endian, element));
    out.extend_from_slice(&u32_bytes(endian, length));
}

/// The header of an element; no length means undefined.
pub fn header(out: &mut Vec<u8>, encoding: Encoding, tag: Tag, vr: Vr, length: Option<usize>) {
    let endian = encoding.endian;
    let length = length.map_or(u32::MAX, |length| length as u32);
    out.extend_from_slice(&u16_bytes(endian, tag.0));
    out.extend_from_slice(&u16_bytes(endian, tag.1));
    let short = ["AE", "AS", "AT", "CS", "DA", "DS", "DT", "FL", "FD", "IS", "LO", "LT", "PN", "SH"];
    let short = short.contains(&vr.to_string())
        || matches!(vr, Vr::SL | Vr::SS | Vr::ST | Vr::TM | Vr::UI)
        || matches!(vr, Vr::UL | Vr::US);
    match (encoding.explicit, short) {
        (false, _) => out.extend_from_slice(&u32_bytes(endian, length)),
        (true, true) => {
            out.extend_from_slice(&vr.to_bytes());
            out.extend_from_slice(&u16_bytes(endian, length as u16));
        }
        (true, false) => {
            out.extend_from_slice(&vr.to_bytes());
            out.extend_from_slice(&[0, 0]);
            out.extend_from_slice(&u32_bytes(endian, length));
        }
    }
}

/// A whole element, explicit little endian unless told otherwise.
pub fn element(out: &mut Vec<u8>, encoding: Encoding, tag: Tag, vr: Vr, value: &[u8]) {
    header(out, encoding, tag, vr, Some(value.len()));
    out.extend_from_slice(value);
}

/// Everything a scan reported.
#[derive(Debug, PartialEq)]
pub struct Scanned {
    pub skeleton: Skeleton,
    pub bulk: Vec<Vec<u8>>,
    pub declared: Vec<Option<u64>>,
}

impl Scanned {
    /// The data set put together again.
    pub fn joined(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut at = 0;
        for (splice, bulk) in self.skeleton.splices.iter().zip(&self.bulk) {
            out.extend_from_slice(&self.skeleton.bytes[at..splice.at as usize]);
            out.extend_from_slice(bulk);
            at = splice.at as usize;
        }
        out.extend_from_slice(&self.skeleton.bytes[at..]);
        out
    }
}

/// Scans a data set that is cut at the given lengths, again and again.
pub fn scan_cut(
    syntax: &str,
    bytes: &[u8],
    cuts: &[usize],
    limits: ScanLimits,
) -> Result<Scanned, DataSetError> {
    let mut scanner = Scanner::new(&Uid::parse(syntax).unwrap(), limits);
    let (mut bulk, mut declared, mut open) = (Vec::<Vec<u8>>::new(), Vec::new(), false);
    let mut on = |event: Event<'_>| {
        match event {
            Event::BulkStart { declared: length } => {
                assert!(!std::mem::replace(&mut open, true));
                bulk.push(Vec::new());
                declared.push(length);
            }
            Event::BulkBytes(bytes) => {
                assert!(open);
                bulk.last_mut().unwrap().extend_from_slice(bytes);
            }
            Event::BulkEnd => assert!(std::mem::replace(&mut open, false)),
        }
        Ok::<(), DataSetError>(())
    };
    let (mut rest, mut cut) = (bytes, cuts.iter().cycle());
    while !rest.is_empty() {
        let n = cut.next().copied().unwrap_or(rest.len()).clamp(1, rest.len());
        let (piece, after) = rest.split_at(n);
        scanner.push(piece, &mut on)?;
        rest = after;
    }
    let skeleton = scanner.finish(&mut on)?;
    assert!(!open);
    let lengths: Vec<u64> = bulk.iter().map(|bytes| bytes.len() as u64).collect();
    assert_eq!(skeleton.splices.iter().map(|splice| splice.length).collect::<Vec<_>>(), lengths);
    Ok(Scanned { skeleton, bulk, declared })
}

pub fn scan(syntax: &str, bytes: &[u8]) -> Result<Scanned, DataSetError> {
    scan_cut(syntax, bytes, &[], ScanLimits::default())
}

enum Open<'a> {
    Elements(Box<dyn Iterator<Item = Element<'a>> + 'a>),
    Items(Box<dyn Iterator<Item = DataSet<'a>> + 'a>),
}

/// Reads everything there is, without recursion.
pub fn walk(skeleton: &Skeleton) -> Vec<Met> {
    let mut met = Vec::new();
    let mut stack = vec![Open::Elements(Box::new(DataSet::new(skeleton).elements()))];
    while let Some(top) = stack.last_mut() {
        let next = match top {
            Open::Elements(elements) => match elements.next() {
                Some(element) => visit(element, &mut met).map(|items| Open::Items(Box::new(items.iter()))),
                None => {
                    stack.pop();
                    if !stack.is_empty() {
                        met.push(Met::ItemEnd);
                    }
                    continue;
                }
            },
            Open::Items(items) => match items.next() {
                Some(item) => {
                    met.push(Met::Item);
                    Some(Open::Elements(Box::new(item.elements())))
                }
                None => {
                    stack.pop();
                    met.push(Met::Close);
                    continue;
                }
            },
        };
        stack.extend(next);
    }
    met
}

fn visit<'a>(element: Element<'a>, met: &mut Vec<Met>) -> Option<Items<'a>> {
    match element.value {
        Value::Bytes(bytes) => met.push(Met::Bytes(element.tag, bytes.to_vec())),
        Value::Bulk { length, .. } => met.push(Met::Bulk(element.tag, length)),
        Value::Sequence(items) => {
            met.push(Met::Open(element.tag));
            return Some(items);
        }
    }
    None
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![6 => 0usize..40, 1 => 4090usize..4100, 1 => 5000usize..9000];
    (length, any::<u8>()).prop_map(|(length, seed)| (0..length).map(|i| seed.wrapping_add(i as u8)).collect())
}

fn leaf() -> impl Strategy<Value = Node> {
    let vr = prop_oneof![Just(Vr::LO), Just(Vr::UT), Just(Vr::US), Just(Vr::OB), Just(Vr::UN)];
    let fragments = prop::collection::vec(bytes(), 0..4);
    prop_oneof![
        6 => (vr, bytes()).prop_map(|(vr, bytes)| Node::Value { vr, bytes }),
        1 => (bytes(), fragments).prop_map(|(table, fragments)| Node::Pixels { table, fragments }),
    ]
}

fn node() -> impl Strategy<Value = Node> {
    leaf().prop_recursive(5, 40, 4, |inner| {
        let items = prop::collection::vec(prop::collection::vec(inner, 0..4), 0..3);
        (items, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
            |(items, defined, items_defined, un)| Node::Sequence { items, defined, items_defined, un },
        )
    })
}

/// Trees of elements. Pixel Data of the data set itself stands last, as it does in real ones.
pub fn tree() -> impl Strategy<Value = Vec<Node>> {
    (prop::collection::vec(node(), 1..6), any::<bool>()).prop_map(|(mut nodes, pixels)| {
        nodes.retain(|node| !matches!(node, Node::Pixels { .. }));
        if pixels {
            nodes.push(Node::Pixels { table: vec![0; 4], fragments: vec![vec![7; 300], vec![]] });
        }
        // The encoding is judged by the first element, which is short in real ones.
        nodes.insert(0, Node::Value { vr: Vr::LO, bytes: vec![b'a'; 2] });
        nodes
    })
}
