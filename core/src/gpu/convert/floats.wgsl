fn widen_f16(bits: u32) -> u32 {
    let sign = (bits & 0x8000u) << 16u;
    let magnitude = bits & 0x7fffu;
    if magnitude >= INFINITY_16 {
        let quiet = select(0u, QUIET, magnitude > INFINITY_16);
        return sign | INFINITY | quiet | (magnitude << 13u);
    }
    if magnitude >= 0x0400u {
        return sign | ((magnitude << 13u) + (112u << 23u));
    }
    if magnitude == 0u {
        return sign;
    }
    // A subnormal counts units of 2^-24. The leading bit adds one to the exponent.
    let leading = firstLeadingBit(magnitude);
    return sign | ((magnitude << (23u - leading)) + ((leading + 102u) << 23u));
}

fn widen_bf16(bits: u32) -> u32 {
    let quiet = select(0u, QUIET, (bits & 0x7fffu) > 0x7f80u);
    return (bits << 16u) | quiet;
}

// An invocation has a word: two elements, but for the last of an odd number.

@compute @workgroup_size(GROUP)
fn f16_to_f32(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let first = 2u * number(group, groups, local);
    if first >= job.elements {
        return;
    }
    let pair = input[job.input_start + first / 2u];
    output[job.output_start + first] = widen_f16(pair & 0xffffu);
    if first + 1u < job.elements {
        output[job.output_start + first + 1u] = widen_f16(pair >> 16u);
    }
}

@compute @workgroup_size(GROUP)
fn bf16_to_f32(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let first = 2u * number(group, groups, local);
    if first >= job.elements {
        return;
    }
    let pair = input[job.input_start + first / 2u];
    output[job.output_start + first] = widen_bf16(pair & 0xffffu);
    if first + 1u < job.elements {
        output[job.output_start + first + 1u] = widen_bf16(pair >> 16u);
    }
}
