import KubeAPI

/// Where a node of a lab sits: its name, its addresses and its cable.
public struct LabSeat: Hashable, Sendable {
    /// `node-3` is number 3.
    var number: Int
    /// Of its addresses in its segment, from 0; the wire is the position's, too.
    var position: Int
    /// The cable's number, from 1. No two nodes ever have the same one.
    var plug: Int

    var name: String { "node-\(number)" }
}

extension LabSeat {
    var json: JSONValue { ["number": JSONValue(number), "position": JSONValue(position), "plug": JSONValue(plug)] }

    init?(_ tree: JSONValue) {
        guard let number = tree["number"]?.integer, let position = tree["position"]?.integer, let plug = tree["plug"]?.integer
        else { return nil }
        self.init(number: number, position: position, plug: plug)
    }
}

extension LabSettings {
    /// Positions that a segment has addresses for.
    private static let positions = 0..<240

    /// Gives a node that is to be added the first addresses that are free.
    ///
    /// - Parameter name: `nil` for the first number that is free behind all others.
    mutating func addSeat(_ name: String?) throws(LabError) -> LabSeat {
        let used = seats.map(\.number)
        var number = (used.max() ?? 0) + 1
        if let name {
            guard name.hasPrefix("node-"), let given = Int(name.dropFirst(5)), "node-\(given)" == name,
                (1...Self.mostNodes).contains(given)
            else { throw LabError(.settingsRefused, "\(name): nodes are called node-1 to node-\(Self.mostNodes)") }
            guard !used.contains(given) else { throw LabError(.settingsRefused, "there is a node \(name)") }
            number = given
        }
        // Behind the last number there may be none, and before it some.
        if number > Self.mostNodes { number = (1...Self.mostNodes).first { !used.contains($0) } ?? number }
        guard number <= Self.mostNodes, let position = freePosition(where: { _ in true }) else {
            throw LabError(.settingsRefused, "there are \(seats.count) nodes: at most \(Self.mostNodes)")
        }
        let seat = LabSeat(number: number, position: position, plug: nextPlug)
        seats.append(seat)
        seats.sort { $0.number < $1.number }
        nextPlug += 1
        return seat
    }

    /// Gives a node addresses that no node had, on the wire that it is on.
    mutating func moveSeat(_ name: String) throws(LabError) -> LabSeat {
        guard let index = seats.firstIndex(where: { $0.name == name }) else { throw unknown(name) }
        let (before, old) = (self, seats[index].position)
        let isFit: (Int) -> Bool = { before.wire(ofNode: $0) == before.wire(ofNode: old) && $0 != old }
        guard let position = freePosition(where: { $0 >= Self.mostNodes && isFit($0) }) ?? freePosition(where: isFit) else {
            throw LabError(.settingsRefused, "the segment of \(name) has no other address left")
        }
        seats[index].position = position
        return seats[index]
    }

    mutating func removeSeat(_ name: String) throws(LabError) {
        guard let index = seats.firstIndex(where: { $0.name == name }) else { throw unknown(name) }
        guard seats.count > 1 else {
            throw LabError(.settingsRefused, "\(name) is the last node", remedy: "tulle lab down takes down all of the lab")
        }
        seats.remove(at: index)
    }

    private func freePosition(where isFit: (Int) -> Bool) -> Int? {
        Self.positions.first { position in isFit(position) && !seats.contains { $0.position == position } }
    }

    func unknown(_ name: String) -> LabError {
        LabError(
            .unknown,
            "there is no node \(name); there \(nodeNames.count == 1 ? "is" : "are") \(nodeNames.joined(separator: ", "))")
    }
}
