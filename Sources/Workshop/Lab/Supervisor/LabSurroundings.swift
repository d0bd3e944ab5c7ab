/// What the lab takes from the world: time and chance.
public struct LabSurroundings: Sendable {
    /// The time of day.
    public var now: @Sendable () -> Moment
    public var clock: any Clock<Duration>
    /// 64 random bits, good enough for keys.
    public var bits: @Sendable () -> UInt64

    public init(
        now: @escaping @Sendable () -> Moment, clock: any Clock<Duration>, bits: @escaping @Sendable () -> UInt64
    ) {
        (self.now, self.clock, self.bits) = (now, clock, bits)
    }

    /// 0 ..< 1.
    var fraction: @Sendable () -> Double {
        let bits = bits
        return { Double(bits() >> 11) / Double(1 << 53) }
    }

    var circumstances: Circumstances { Circumstances(now: now, clock: clock, random: fraction) }

    var generator: Generator { Generator(bits: bits) }

    struct Generator: RandomNumberGenerator {
        let bits: @Sendable () -> UInt64
        mutating func next() -> UInt64 { bits() }
    }
}
