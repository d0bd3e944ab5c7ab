import KubeAPI

/// What the services of a lab take from the world besides the API: time and chance. A test gives its own.
public struct Circumstances: Sendable {
    /// The wall clock.
    public var now: @Sendable () -> Moment
    /// Measures waiting.
    public var clock: any Clock<Duration>
    /// 0 ..< 1.
    public var random: @Sendable () -> Double

    public init(
        now: @escaping @Sendable () -> Moment, clock: any Clock<Duration>, random: @escaping @Sendable () -> Double
    ) {
        (self.now, self.clock, self.random) = (now, clock, random)
    }
}

extension Circumstances {
    func sleep(_ time: Duration) async throws { try await clock.sleep(for: time) }

    /// The time in the words of KubeAPI.
    var timestamp: @Sendable () -> Timestamp {
        { [now] in Timestamp(now()) }
    }

    var seed: UInt64 { UInt64(random() * 0x1p52) }
}

extension Timestamp {
    init(_ moment: Moment) {
        let (seconds, attoseconds) = moment.sinceEpoch.components
        self.init(microseconds: seconds * 1_000_000 + attoseconds / 1_000_000_000_000)
    }
}
