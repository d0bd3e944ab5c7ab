import Glibc

/// Does nothing until it is asked to end: what a `pause` image runs, and a container that has nothing to serve.
struct Idle {
    init(_ words: inout Words) throws(Refusal) {
        if let word = try words.next() { throw .usage("idle: “\(word)” is not understood") }
    }

    func run() throws(Refusal) -> Int32 {
        // As process 1 of a container it would not be ended by a signal it does not handle.
        let signals = try Signals(SIGTERM, SIGINT)
        _ = awaitReadable([signals.descriptor])
        return 0
    }
}
