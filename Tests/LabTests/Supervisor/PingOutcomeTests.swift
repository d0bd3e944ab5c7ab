import KubeAPI
import Testing

@testable import Lab

@Suite("a round of ping")
struct PingOutcomeTests {
    private func pod(_ name: String, _ process: Int32, _ address: String) -> LabCluster.Place {
        LabCluster.Place(name: name, node: "node-1", isNode: false, process: process, addresses: [address])
    }

    private func answers(_ addresses: String...) -> LabCluster.PingOutcome {
        .answers(.array(addresses.map { ["address": .string($0), "sent": 3, "received": 3] }))
    }

    // In a rollout the old pods end while the matrix is asked, and everybody found ways closed that nobody missed.
    @Test("a pod that ended meanwhile neither asks nor is asked") func ended() throws {
        let (web, old) = (pod("web", 7, "10.244.0.1"), pod("old", 8, "10.244.0.2"))
        let node = LabCluster.Place(name: "node-1", node: "node-1", isNode: true, process: 2, addresses: ["192.0.2.1"])
        let matrix = try LabCluster.matrix(
            [web, old, node],
            [0: answers("10.244.0.2"), 1: .silent("there is no process 8"), 2: answers("10.244.0.1", "10.244.0.2")],
            living: [web], waiting: ["new"])
        #expect(matrix["pods"]?.array?.compactMap { $0["name"]?.string } == ["web"])
        #expect(matrix["waiting"] == ["new"])
        let rows = try #require(matrix["sources"]?.array)
        #expect(rows.compactMap { $0["name"]?.string } == ["web", "node-1"])
        #expect(rows.map { ($0["answers"]?.array ?? []).compactMap { $0["address"]?.string } } == [[], ["10.244.0.1"]])
    }

    @Test("another pod by the name of one that ended is another pod") func namesake() throws {
        let (old, new) = (pod("db-0", 8, "10.244.0.2"), pod("db-0", 9, "10.244.0.3"))
        let matrix = try LabCluster.matrix([old], [0: answers()], living: [new], waiting: [])
        #expect(matrix["pods"] == [])
    }

    @Test("one that is there and could not ask is an error") func broken() {
        let web = pod("web", 7, "10.244.0.1")
        #expect(throws: LabError.self) {
            try LabCluster.matrix([web], [0: .silent("no such device")], living: [web], waiting: [])
        }
    }
}
