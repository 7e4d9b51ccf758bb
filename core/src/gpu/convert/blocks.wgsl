// A scale, which is an f16, times an integer, of which `magnitude` is at most 128 and `negative` 1
// or 0. The product has at most 18 bits: an f32 has it exactly, never as a subnormal.

struct Product {
    sign: u32,
    // Of what isn't finite, INFINITY or NAN; else 0.
    odd: u32,
    significand: u32,
    // What the significand counts are units of 2^(exponent - 25).
    exponent: u32,
}

fn product(scale: u32, magnitude: u32, negative: u32) -> Product {
    let field = (scale >> 10u) & 31u;
    let fraction = scale & 0x3ffu;
    let hidden = select(0x400u, 0u, field == 0u);
    let nan = fraction != 0u || magnitude == 0u;
    let odd = select(0u, select(INFINITY, NAN, nan), field == 31u);
    return Product(
        ((scale >> 15u) ^ negative) << 31u,
        odd,
        (fraction | hidden) * magnitude,
        max(field, 1u),
    );
}

fn to_f32(number: Product) -> u32 {
    if number.odd != 0u {
        return select(number.sign | INFINITY, NAN, number.odd == NAN);
    }
    if number.significand == 0u {
        return number.sign;
    }
    // The leading bit adds one to the exponent.
    let leading = firstLeadingBit(number.significand);
    let mantissa = number.significand << (23u - leading);
    return number.sign | (mantissa + ((leading + number.exponent + 101u) << 23u));
}

// To nearest, a tie to even.
fn to_f16(number: Product) -> u32 {
    let sign = number.sign >> 16u;
    if number.odd != 0u {
        return select(sign | INFINITY_16, NAN_16, number.odd == NAN);
    }
    if number.significand == 0u {
        return sign;
    }
    // In units of 2^-24, the last bit of subnormals, which no product lies between.
    let shift = number.exponent - 1u;
    let leading = firstLeadingBit(number.significand);
    if leading + shift <= 10u {
        return sign | (number.significand << shift);
    }
    let last = leading + shift - 10u;
    if leading <= 10u {
        return sign | min((number.significand << (10u - leading)) + (last << 10u), INFINITY_16);
    }
    let drop = leading - 10u;
    let even = (number.significand >> drop) & 1u;
    let rounded = (number.significand + ((1u << (drop - 1u)) - 1u) + even) >> drop;
    // A mantissa that overflows carries into the exponent, where it belongs.
    return sign | min(rounded + (last << 10u), INFINITY_16);
}

// A scale times a byte of a word, as i8.
fn q8(scale: u32, word: u32, byte: u32) -> Product {
    let quant = (word >> (byte * 8u)) & 0xffu;
    let negative = quant >> 7u;
    return product(scale, select(quant, 256u - quant, negative == 1u), negative);
}

// A scale times a nibble of a word, less 8.
fn q4(scale: u32, word: u32, nibble: u32) -> Product {
    let quant = (word >> (nibble * 4u)) & 15u;
    let negative = select(0u, 1u, quant < 8u);
    return product(scale, select(quant - 8u, 8u - quant, negative == 1u), negative);
}

fn pair(low: Product, high: Product) -> u32 {
    return to_f16(low) | (to_f16(high) << 16u);
}

// Blocks of Q8_0 are 17 half-words: a scale and 32 bytes. An invocation has 4 of those.

@compute @workgroup_size(GROUP)
fn q8_0_to_f32(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = number(group, groups, local);
    if i * 4u >= job.elements {
        return;
    }
    let block = i / 8u * 17u;
    let scale = half_at(block);
    let quants = word_at(block + 1u + i % 8u * 2u);
    let to = job.output_start + i * 4u;
    output[to] = to_f32(q8(scale, quants, 0u));
    output[to + 1u] = to_f32(q8(scale, quants, 1u));
    output[to + 2u] = to_f32(q8(scale, quants, 2u));
    output[to + 3u] = to_f32(q8(scale, quants, 3u));
}

@compute @workgroup_size(GROUP)
fn q8_0_to_f16(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = number(group, groups, local);
    if i * 4u >= job.elements {
        return;
    }
    let block = i / 8u * 17u;
    let scale = half_at(block);
    let quants = word_at(block + 1u + i % 8u * 2u);
    let to = job.output_start + i * 2u;
    output[to] = pair(q8(scale, quants, 0u), q8(scale, quants, 1u));
    output[to + 1u] = pair(q8(scale, quants, 2u), q8(scale, quants, 3u));
}

// Blocks of Q4_0 are 9 half-words: a scale and 16 bytes, whose low nibbles are the first 16 elements
// and whose high ones the other 16. An invocation has 4 bytes.

@compute @workgroup_size(GROUP)
fn q4_0_to_f32(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = number(group, groups, local);
    if i * 8u >= job.elements {
        return;
    }
    let block = i / 4u * 9u;
    let scale = half_at(block);
    let quants = word_at(block + 1u + i % 4u * 2u);
    let low = job.output_start + i / 4u * 32u + i % 4u * 4u;
    let high = low + 16u;
    for (var byte = 0u; byte < 4u; byte++) {
        output[low + byte] = to_f32(q4(scale, quants, byte * 2u));
        output[high + byte] = to_f32(q4(scale, quants, byte * 2u + 1u));
    }
}

@compute @workgroup_size(GROUP)
fn q4_0_to_f16(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = number(group, groups, local);
    if i * 8u >= job.elements {
        return;
    }
    let block = i / 4u * 9u;
    let scale = half_at(block);
    let quants = word_at(block + 1u + i % 4u * 2u);
    let low = job.output_start + i / 4u * 16u + i % 4u * 2u;
    let high = low + 8u;
    for (var byte = 0u; byte < 4u; byte += 2u) {
        let first = byte * 2u;
        output[low + byte / 2u] = pair(q4(scale, quants, first), q4(scale, quants, first + 2u));
        output[high + byte / 2u] = pair(q4(scale, quants, first + 1u), q4(scale, quants, first + 3u));
    }
}
