// Integers only: of floats WGSL may flush subnormals to zero, and take for granted that there are
// neither NaNs nor infinities.

struct Job {
    // Words before the first element, for bindings start at coarser places.
    input_start: u32,
    output_start: u32,
    elements: u32,
}

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;
var<immediate> job: Job;

const GROUP: u32 = 64u;

const SIGN: u32 = 0x80000000u;
const INFINITY: u32 = 0x7f800000u;
const QUIET: u32 = 0x00400000u;
const NAN: u32 = 0x7fc00000u;
const INFINITY_16: u32 = 0x7c00u;
const NAN_16: u32 = 0x7e00u;

// The number of this invocation. Groups have two dimensions, for one is too short for large tensors.
fn number(group: vec3<u32>, groups: vec3<u32>, local: u32) -> u32 {
    return (group.y * groups.x + group.x) * GROUP + local;
}

// The half of a word in which half-word `place` of the source lies.
fn half_at(place: u32) -> u32 {
    return (input[job.input_start + place / 2u] >> (place % 2u * 16u)) & 0xffffu;
}

// The word that starts at half-word `place`. It touches no word that it needs nothing of.
fn word_at(place: u32) -> u32 {
    let odd = place % 2u;
    let first = input[job.input_start + place / 2u];
    let second = input[job.input_start + place / 2u + odd];
    return select(first, (first >> 16u) | (second << 16u), odd == 1u);
}
