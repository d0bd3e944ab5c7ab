import Addressing
import KubeAPI
import Testing

@testable import Lab

@Suite("the nodes of a lab while it is up")
struct SeatTests {
    private func addresses(_ settings: LabSettings) -> [String] {
        settings.seats.map { seat in
            ([seat.name] + settings.addresses(ofNode: seat.position).map(\.description) + ["\(seat.plug)"]).joined(separator: " ")
        }
    }

    @Test("one that is added has the next name, the first addresses that are free, and a cable of its own") func adds() throws {
        var settings = LabSettings(nodes: 3, families: [.v4])
        try settings.removeSeat("node-2")
        #expect(try settings.addSeat(nil).name == "node-4")
        #expect(try settings.addSeat("node-2").plug == 5)
        #expect(
            addresses(settings) == [
                "node-1 172.30.0.11 1", "node-2 172.30.0.14 5", "node-3 172.30.0.13 3", "node-4 172.30.0.12 4",
            ])
        #expect(try LabSettings(settings.json) == settings)
    }

    @Test("one that is numbered anew stays on its wire, and had none of the addresses before") func moves() throws {
        var settings = LabSettings(nodes: 3, backend: .vxlan, segmentCount: 2)
        let before = settings.addresses(ofNode: 1)
        let seat = try settings.moveSeat("node-2")
        let after = settings.addresses(ofNode: seat.position)
        #expect(zip(before, after).allSatisfy { $0 != $1 && $0.family == $1.family })
        #expect(settings.wire(ofNode: seat.position) == 1)
        #expect(settings.seats.map(\.plug) == [1, 2, 3])
        // And back to where nobody is.
        #expect(try settings.moveSeat("node-2").position != seat.position)
    }

    @Test("there is room for as many as a lab may have, and no more") func room() throws {
        var settings = LabSettings(nodes: LabSettings.mostNodes, families: [.v4])
        #expect(throws: LabError.self) { try settings.addSeat(nil) }
        try settings.removeSeat("node-7")
        #expect(try settings.addSeat(nil).name == "node-7")
        #expect(Set(settings.seats.map(\.position)).count == LabSettings.mostNodes)
    }

    @Test(
        "what cannot be is refused", arguments: ["node-1", "node-0", "node-101", "node-01", "web", "node-", "node-4x", ""])
    func refused(name: String) {
        var settings = LabSettings(nodes: 2)
        let before = settings
        #expect(throws: LabError.self) { try settings.addSeat(name) }
        #expect(throws: LabError.self) { try settings.removeSeat("node-9") }
        #expect(throws: LabError.self) { try settings.moveSeat("node-9") }
        #expect(settings == before)
    }

    @Test("the last node stays") func last() {
        var settings = LabSettings(nodes: 1)
        #expect(throws: LabError.self) { try settings.removeSeat("node-1") }
    }

    @Test("a stopped lab comes up with the nodes it had, also when the number that it was made with is named") func same() throws
    {
        var kept = LabSettings(nodes: 3)
        _ = try kept.addSeat(nil)
        kept.port = 6443
        #expect(LabSettings(nodes: 3).isSame(as: kept))
        #expect(!LabSettings(nodes: 4).isSame(as: kept))
    }
}
