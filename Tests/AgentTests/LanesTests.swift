import Netlink
import Synchronization
import Testing

@testable import Agent

@Suite("lanes", .timeLimit(.minutes(5)))
struct LanesTests {
    @Test("no more than there are lanes are let in at a time, and everybody comes through", arguments: [1, 2, 3])
    func few(_ count: Int) {
        let lanes = Lanes(count)
        let inside = Atomic(0)
        let most = Atomic(0)
        let done = Atomic(0)
        sideBySide(Array(0..<200)) { _ in
            lanes.enter {
                let now = inside.wrappingAdd(1, ordering: .sequentiallyConsistent).newValue
                most.max(now, ordering: .sequentiallyConsistent)
                inside.wrappingSubtract(1, ordering: .sequentiallyConsistent)
                done.wrappingAdd(1, ordering: .sequentiallyConsistent)
            }
        }
        #expect(most.load(ordering: .sequentiallyConsistent) <= count)
        #expect(done.load(ordering: .sequentiallyConsistent) == 200)
    }

    private struct Refused: Error {}

    @Test("an error comes out, and the lane is free again")
    func error() {
        let lanes = Lanes(1)
        #expect(throws: Refused.self) { try lanes.enter { throw Refused() } }
        var isIn = false
        lanes.enter { isIn = true }
        #expect(isIn)
    }
}
