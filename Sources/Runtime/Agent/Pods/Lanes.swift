import Synchronization

/// Lets a few at a time do what more at a time would not do faster. Whoever comes takes the next lane and waits there.
final class Lanes: Sendable {
    private final class Lane: Sendable {
        let turn = Mutex(())
    }

    private let lanes: [Lane]
    private let arrivals = Atomic(0)

    init(_ count: Int) {
        precondition(count > 0, "nobody would get through")
        lanes = (0..<count).map { _ in Lane() }
    }

    func enter<Failure>(_ body: () throws(Failure) -> Void) throws(Failure) {
        let arrival = arrivals.wrappingAdd(1, ordering: .relaxed).oldValue
        try lanes[Int(UInt(bitPattern: arrival) % UInt(lanes.count))].turn.withLock { _ throws(Failure) in try body() }
    }
}
