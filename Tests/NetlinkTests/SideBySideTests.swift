import Synchronization
import Testing

@testable import Netlink

@Suite("work side by side")
struct SideBySideTests {
    @Test("every item is done once, and all are done when it returns", arguments: [0, 1, 2, 16, 17, 100], [1, 3, 16])
    func all(_ count: Int, _ limit: Int) {
        let done = Mutex<[Int]>([])
        sideBySide(Array(0..<count), atMost: limit) { item in done.withLock { $0.append(item) } }
        #expect(done.withLock { $0.sorted() } == Array(0..<count))
    }

    @Test("as many as may are at work at once, and no more")
    func together() {
        // Each waits until all others of its turn have come: one after the other would never end.
        let arrived = Mutex(0)
        sideBySide(Array(0..<4), atMost: 4) { _ in
            arrived.withLock { $0 += 1 }
            while arrived.withLock({ $0 < 4 }) {}
        }
        #expect(arrived.withLock { $0 } == 4)
        let now = Mutex(0)
        let most = Mutex(0)
        sideBySide(Array(0..<40), atMost: 3) { _ in
            let count = now.withLock {
                $0 += 1
                return $0
            }
            most.withLock { $0 = max($0, count) }
            now.withLock { $0 -= 1 }
        }
        #expect(most.withLock { $0 } <= 3)
    }
}
