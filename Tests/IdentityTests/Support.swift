import FoundationEssentials
import Identity

/// The same numbers every time (SplitMix64).
struct SeededRandom: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// 2026-01-01T00:00:00Z.
let start = Date(timeIntervalSince1970: 1_767_225_600)
let day = Duration.seconds(86_400)

func authority(seed: UInt64 = 1, at now: Date = start) throws -> CertificateAuthority {
    var random = SeededRandom(state: seed)
    return try CertificateAuthority(name: "lab", at: now, random: &random)
}
