import KubeAPI
import Testing

@testable import KubeClient

struct EventMergerTests {
    private func object(_ name: String) throws -> any KubernetesObject { try #require(reading(name).object) }

    @Test("nothing is told before every collection is listed; what changed meanwhile comes after")
    func gate() throws {
        var merger = EventMerger(count: 2)
        #expect(texts(merger.receive(.listed([try object("a")]), from: 0)) == [])
        #expect(texts(merger.receive(.added(try object("b")), from: 0)) == [])
        #expect(
            texts(merger.receive(.listed([try object("c")]), from: 1)) == [
                "listed Namespace a, Namespace c", "added Namespace b",
            ])
        #expect(texts(merger.receive(.deleted(try object("c").key, uid: ""), from: 1)) == ["deleted Namespace c"])
    }

    @Test("faults of all collections are told together, and at once")
    func faults() {
        var merger = EventMerger(count: 2)
        #expect(texts(merger.receive(.faults([SourceFault(origin: "x", message: "1")]), from: 0)) == ["faults x: 1"])
        #expect(texts(merger.receive(.faults([SourceFault(origin: "y", message: "2")]), from: 1)) == ["faults x: 1; y: 2"])
        #expect(texts(merger.receive(.faults([]), from: 0)) == ["faults y: 2"])
    }
}
