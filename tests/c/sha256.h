/* SHA-256 (FIPS 180-4), to compare contents with what the fixtures' makers wrote down. */
#ifndef SHA256_H
#define SHA256_H

#include "check.h"

typedef struct sha256 {
    uint32_t state[8];
    unsigned char block[64];
    uint64_t len;
} sha256;

static inline uint32_t sha256_rotate(uint32_t word, unsigned bits) {
    return word >> bits | word << (32 - bits);
}

static inline void sha256_block(sha256 *own) {
    static const uint32_t constants[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
        0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
        0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
        0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
        0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
        0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
        0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
        0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
        0xc67178f2,
    };
    uint32_t words[64], s[8];
    for (unsigned at = 0; at < 16; at++) {
        const unsigned char *bytes = own->block + 4 * at;
        words[at] = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
                    bytes[3];
    }
    for (unsigned at = 16; at < 64; at++) {
        uint32_t old = words[at - 15], near = words[at - 2];
        words[at] = words[at - 16] + words[at - 7] +
                    (sha256_rotate(old, 7) ^ sha256_rotate(old, 18) ^ old >> 3) +
                    (sha256_rotate(near, 17) ^ sha256_rotate(near, 19) ^ near >> 10);
    }
    memcpy(s, own->state, sizeof s);
    for (unsigned at = 0; at < 64; at++) {
        uint32_t big1 = sha256_rotate(s[4], 6) ^ sha256_rotate(s[4], 11) ^ sha256_rotate(s[4], 25);
        uint32_t big0 = sha256_rotate(s[0], 2) ^ sha256_rotate(s[0], 13) ^ sha256_rotate(s[0], 22);
        uint32_t one = s[7] + big1 + ((s[4] & s[5]) ^ (~s[4] & s[6])) + constants[at] + words[at];
        uint32_t two = big0 + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        for (unsigned up = 7; up > 0; up--) s[up] = s[up - 1];
        s[4] += one;
        s[0] = one + two;
    }
    for (unsigned at = 0; at < 8; at++) own->state[at] += s[at];
}

static inline sha256 sha256_new(void) {
    static const uint32_t start[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                       0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
    sha256 own;
    memset(&own, 0, sizeof own);
    memcpy(own.state, start, sizeof start);
    return own;
}

static inline void sha256_add(sha256 *own, const void *bytes, uint64_t len) {
    const unsigned char *from = (const unsigned char *)bytes;
    for (uint64_t at = 0; at < len; at++) {
        own->block[own->len++ % 64] = from[at];
        if (own->len % 64 == 0) sha256_block(own);
    }
}

/* The digest in hexadecimal, in a buffer that the next call of this thread writes over. */
static inline const char *sha256_end(sha256 *own) {
    static __thread char text[65];
    const uint64_t bits = own->len * 8;
    const unsigned char end = 0x80, zero = 0;
    sha256_add(own, &end, 1);
    while (own->len % 64 != 56) sha256_add(own, &zero, 1);
    for (int shift = 56; shift >= 0; shift -= 8) {
        const unsigned char byte = (unsigned char)(bits >> shift);
        sha256_add(own, &byte, 1);
    }
    for (int at = 0; at < 8; at++) snprintf(text + 8 * at, 9, "%08" PRIx32, own->state[at]);
    return text;
}

static inline const char *sha256_of(const void *bytes, uint64_t len) {
    sha256 own = sha256_new();
    sha256_add(&own, bytes, len);
    return sha256_end(&own);
}

#endif
