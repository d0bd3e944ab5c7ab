internal import DNS
internal import Synchronization

/// What one thread of UDP, or the connections of one address, answer from and count into.
///
/// The lock is taken once for all packets that came together. Whoever changes the names takes it too, for each desk: so a change is
/// in force everywhere when it returns, and a desk at which nobody asks keeps no old names alive.
final class Desk: Sendable {
    struct Open: Sendable {
        var names: ServedNames
        var tally = Tally()
        var limiter: ResponseLimiter?

        init(_ names: ServedNames) {
            self.names = names
            limiter = names.responseLimit.map(ResponseLimiter.init)
        }
    }

    let transport: NameServerFigures.Transport
    private let state: Mutex<Open>

    init(_ transport: NameServerFigures.Transport, _ names: ServedNames) {
        self.transport = transport
        state = Mutex(Open(names))
    }

    func open<Result>(_ body: (inout Open) -> Result) -> Result {
        state.withLock { body(&$0) }
    }

    func serve(_ names: ServedNames) {
        // What was served is given back outside the lock: it may be a whole zone.
        let old = state.withLock { open in
            let old = open.names
            open.names = names
            if old.responseLimit != names.responseLimit { open.limiter = names.responseLimit.map(ResponseLimiter.init) }
            return old
        }
        _ = consume old
    }

    func count(_ figures: inout NameServerFigures) {
        let tally = state.withLock { $0.tally }
        tally.add(to: &figures, transport)
    }

    /// An answer that was sent later than with those that it came with.
    func sent(_ answer: [UInt8], _ query: Query?, after duration: Duration) {
        let code = answer.withUnsafeBytes { ResponseCode(inAnswer: $0, to: query) }
        state.withLock { open in
            open.tally.answered(code, bytes: answer.count)
            open.tally.took(duration.wholeNanoseconds, times: 1)
        }
    }
}

extension ResponseCode {
    /// The code in the header of an answer that we wrote ourselves; the only one beyond four bits that we say is `BADVERS`.
    @inline(__always)
    init(inAnswer bytes: UnsafeRawBufferPointer, to query: Query?) {
        let low = UInt16(bytes[3] & 0xF)
        self = low == 0 && query?.edns?.version ?? 0 > 0 ? .badVersion : ResponseCode(rawValue: low)
    }
}

extension Duration {
    var wholeNanoseconds: UInt64 { UInt64(clamping: attoseconds / 1_000_000_000) }
}
