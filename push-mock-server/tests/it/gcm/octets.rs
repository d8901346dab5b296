//! Messages of Chromium's protocols written and read by hand, so that the tests share nothing with the service.

/// One field's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Number(u64),
    Octets(Vec<u8>),
}

/// The fields of a message in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields(pub(crate) Vec<(u64, Value)>);

impl Fields {
    pub(crate) fn read(octets: &[u8]) -> Self {
        let mut rest = octets;
        let mut fields = Vec::new();
        while !rest.is_empty() {
            let key = take_varint(&mut rest);
            let value = match key & 7 {
                0 => Value::Number(take_varint(&mut rest)),
                1 => Value::Number(u64::from_le_bytes(take(&mut rest, 8).try_into().unwrap())),
                2 => {
                    let size = take_varint(&mut rest);
                    Value::Octets(take(&mut rest, usize::try_from(size).unwrap()).to_vec())
                }
                other => panic!("wire type {other} is in no message here"),
            };
            fields.push((key >> 3, value));
        }
        Self(fields)
    }

    fn all(&self, number: u64) -> impl Iterator<Item = &Value> {
        self.0.iter().filter(move |(field, _)| *field == number).map(|(_, value)| value)
    }

    pub(crate) fn has(&self, number: u64) -> bool {
        self.all(number).next().is_some()
    }

    pub(crate) fn number(&self, number: u64) -> Option<u64> {
        self.all(number).find_map(|value| if let Value::Number(value) = value { Some(*value) } else { None })
    }

    pub(crate) fn octets(&self, number: u64) -> Option<&[u8]> {
        self.every_octets(number).next()
    }

    pub(crate) fn text(&self, number: u64) -> &str {
        std::str::from_utf8(self.octets(number).unwrap_or_default()).unwrap()
    }

    pub(crate) fn every_octets(&self, number: u64) -> impl Iterator<Item = &[u8]> {
        self.all(number).filter_map(|value| {
            if let Value::Octets(octets) = value { Some(octets.as_slice()) } else { None }
        })
    }
}

fn take<'a>(rest: &mut &'a [u8], size: usize) -> &'a [u8] {
    let (taken, behind) = rest.split_at(size);
    *rest = behind;
    taken
}

fn take_varint(rest: &mut &[u8]) -> u64 {
    let mut number = 0;
    for at in 0.. {
        let octet = take(rest, 1)[0];
        number |= u64::from(octet & 0x7f) << (7 * at);
        if octet & 0x80 == 0 {
            break;
        }
    }
    number
}

pub(crate) fn varint(mut number: u64) -> Vec<u8> {
    let mut octets = Vec::new();
    while number > 0x7f {
        octets.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
        number >>= 7;
    }
    octets.push(u8::try_from(number).unwrap());
    octets
}

pub(crate) fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

pub(crate) fn fixed(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3 | 1), value.to_le_bytes().to_vec()].concat()
}

pub(crate) fn octets(field: u64, value: impl AsRef<[u8]>) -> Vec<u8> {
    let value = value.as_ref();
    [varint(field << 3 | 2), varint(value.len() as u64), value.to_vec()].concat()
}

/// A frame of the push connection.
pub(crate) fn frame(tag: u8, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    [vec![tag], varint(body.len() as u64), body.to_vec()].concat()
}
