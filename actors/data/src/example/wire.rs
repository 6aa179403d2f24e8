//! Protobuf's wire format: fields in, fields out; bounded, and without allocating when reading.
//! Not here: what the fields mean.

use crate::fault::{BadBytes, FaultKind};
use crate::limits::PROTO_NESTING_MAX;

/// A field of a message.
pub(super) struct Field<'a> {
    /// Field number, from 1.
    pub number: u32,
    /// Its value, by wire type.
    pub value: Value<'a>,
}

/// A value; those that nothing here needs are stepped over but told apart.
pub(super) enum Value<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 1.
    Fixed64,
    /// Wire type 2: bytes, text, a message or a packed list.
    Bytes(&'a [u8]),
    /// Wire types 3 and 4 with everything between them.
    Group,
    /// Wire type 5.
    Fixed32,
}

fn bad(detail: &str) -> BadBytes {
    BadBytes::new(FaultKind::NotAnExample, detail)
}

/// Calls `visit` for every field of `message`, in order.
pub(super) fn each_field<'a>(
    message: &'a [u8],
    mut visit: impl FnMut(Field<'a>) -> Result<(), BadBytes>,
) -> Result<(), BadBytes> {
    let mut cursor = Cursor { rest: message };
    while !cursor.rest.is_empty() {
        let (number, wire_type) = cursor.tag()?;
        let value = match wire_type {
            3 => cursor.skip_group(number)?,
            4 => return Err(bad("a group ends that never began")),
            _ => cursor.value(wire_type)?,
        };
        visit(Field { number, value })?;
    }
    Ok(())
}

/// Calls `visit` for every number of a packed list.
pub(super) fn each_varint(packed: &[u8], mut visit: impl FnMut(u64)) -> Result<(), BadBytes> {
    let mut cursor = Cursor { rest: packed };
    while !cursor.rest.is_empty() {
        visit(cursor.varint()?);
    }
    Ok(())
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn take(&mut self, count: u64) -> Result<&'a [u8], BadBytes> {
        let split = usize::try_from(count).ok().and_then(|count| self.rest.split_at_checked(count));
        let (taken, rest) = split.ok_or_else(|| bad("a field is longer than the message around it"))?;
        self.rest = rest;
        Ok(taken)
    }

    /// Up to ten bytes; bits beyond the 64th are dropped, as protobuf does.
    fn varint(&mut self) -> Result<u64, BadBytes> {
        let mut number = 0;
        for position in 0..10 {
            let (&byte, rest) = self.rest.split_first().ok_or_else(|| bad("the message ends inside a number"))?;
            self.rest = rest;
            number |= u64::from(byte & 0x7f) << (7 * position);
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(bad("a number is longer than ten bytes"))
    }

    fn tag(&mut self) -> Result<(u32, u8), BadBytes> {
        let tag = u32::try_from(self.varint()?).map_err(|_| bad("a field's tag is beyond 32 bits"))?;
        match tag >> 3 {
            0 => Err(bad("a field has the number 0")),
            number => Ok((number, (tag & 7) as u8)),
        }
    }

    fn value(&mut self, wire_type: u8) -> Result<Value<'a>, BadBytes> {
        match wire_type {
            0 => Ok(Value::Varint(self.varint()?)),
            1 => self.take(8).map(|_| Value::Fixed64),
            2 => {
                let length = self.varint()?;
                Ok(Value::Bytes(self.take(length)?))
            }
            5 => self.take(4).map(|_| Value::Fixed32),
            _ => Err(bad("a field has a wire type that does not exist")),
        }
    }

    /// Steps over the group `number` whose start was just read, and the groups inside it, without recursion.
    fn skip_group(&mut self, number: u32) -> Result<Value<'a>, BadBytes> {
        let mut open = [0; PROTO_NESTING_MAX];
        open[0] = number;
        let mut depth = 1;
        while depth > 0 {
            let (number, wire_type) = self.tag()?;
            match wire_type {
                3 => {
                    let slot = open.get_mut(depth).ok_or_else(|| bad("groups are nested too deeply"))?;
                    *slot = number;
                    depth += 1;
                }
                4 if open[depth - 1] == number => depth -= 1,
                4 => return Err(bad("a group ends with another number than it began with")),
                _ => {
                    self.value(wire_type)?;
                }
            }
        }
        Ok(Value::Group)
    }
}

/// A number as a varint.
pub(super) fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(10);
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// A field of wire type 2.
pub(super) fn bytes_field(number: u32, bytes: &[u8]) -> Vec<u8> {
    let mut field = varint(u64::from(number << 3 | 2));
    field.extend(varint(bytes.len() as u64));
    field.extend_from_slice(bytes);
    field
}
