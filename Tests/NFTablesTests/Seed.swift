/// Random numbers that can be had again: the seed stands in the name of the failed case (SplitMix64).
struct Seed: RandomNumberGenerator, Sendable, CustomStringConvertible {
    private let start: UInt64
    private var state: UInt64

    init(_ start: UInt64) {
        self.start = start
        state = start
    }

    /// Others in every run.
    static func fresh(_ count: Int) -> [Seed] { (0..<count).map { _ in Seed(.random(in: .min ... .max)) } }

    var description: String { "Seed(\(start))" }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

extension RandomNumberGenerator {
    mutating func chance(_ part: Int, in whole: Int) -> Bool { Int.random(in: 0..<whole, using: &self) < part }
    mutating func number(below limit: Int) -> Int { Int.random(in: 0..<limit, using: &self) }
}
