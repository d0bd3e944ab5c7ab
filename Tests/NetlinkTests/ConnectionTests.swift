import Addressing
import Testing

@testable import Netlink

@Suite("connections that the kernel tracks", .tags(.kernel), .enabled(if: hasKernel))
struct ConnectionTests {
    let socket: NetlinkSocket

    init() throws { socket = try NetlinkSocket(.netfilter, in: .new()) }

    /// A client's connection to a service, translated to a backend.
    private func connection(
        _ family: IPFamily, client: UInt16 = 4000, to service: UInt16 = 53, by backend: UInt16 = 5353, _ transport: UInt8 = 17
    ) throws -> Connection {
        func address(_ last: Int) throws -> IPAddress {
            try #require(IPAddress(family == .v4 ? "192.0.2.\(last)" : "2001:db8::\(last)"))
        }
        return Connection(
            original: .init(transport, from: try address(1), client, to: try address(10), service),
            reply: .init(transport, from: try address(20), backend, to: try address(1), client), timeout: 600)
    }

    private func filter(_ connection: Connection, _ change: (inout ConnectionFilter) -> Void = { _ in }) -> ConnectionFilter {
        var filter = ConnectionFilter(
            connection.original.source.family, connection.original.transport, to: connection.original.destination,
            connection.original.destinationPort, answeredBy: SocketAddress(connection.reply.source, connection.reply.sourcePort))
        change(&filter)
        return filter
    }

    @Test("one that is made is found by each of its parts, and by no other", arguments: IPFamily.allCases)
    func found(_ family: IPFamily) throws {
        let wanted = try connection(family)
        let others = try [
            connection(family, client: 4001, to: 54), connection(family, client: 4002, by: 5354),
            connection(family, client: 4003, 132), connection(family == .v4 ? .v6 : .v4),
        ]
        for connection in [wanted] + others { try socket.make(connection) }
        let found = try #require(try socket.connections(filter(wanted)).first)
        #expect(try socket.connections(filter(wanted)).count == 1)
        #expect(found.original == wanted.original && found.reply == wanted.reply && found.id != nil)
        #expect(try socket.connections(filter(wanted) { $0.answerer = nil }).count == 2)
        #expect(try socket.connections(filter(wanted) { $0.destinationPort = nil }).count == 2)
        #expect(
            try socket.connections(filter(wanted) { ($0.destination, $0.destinationPort, $0.answerer) = (nil, nil, nil) }).count
                == 3)
        #expect(try socket.connections(filter(wanted) { $0.destinationPort = 55 }).isEmpty)
        #expect(
            try socket.connections(filter(wanted) { $0.isTranslated = false }).count
                == (found.status.contains(.destinationTranslated) ? 0 : 1))
    }

    @Test("the kernel sorts out by itself: what does not match is not copied", arguments: IPFamily.allCases)
    func filtered(_ family: IPFamily) throws {
        for client in 0..<200 as Range<UInt16> { try socket.make(connection(family, client: 1000 + client, to: 53 + client % 2)) }
        var messages = 0
        try socket.dump(filter(connection(family)).request, restart: { messages = 0 }) { _ in messages += 1 }
        #expect(messages == 100)
    }

    @Test("those that are ended are gone, the others stay, and ending them twice is no error", arguments: IPFamily.allCases)
    func ended(_ family: IPFamily) throws {
        for client in 0..<300 as Range<UInt16> {
            try socket.make(connection(family, client: 1000 + client, by: 5000 + client % 3))
        }
        let one = try connection(family, by: 5001)
        let doomed = try socket.connections(filter(one))
        #expect(doomed.count == 100)
        #expect(try socket.end(doomed) == 100)
        #expect(try socket.end(doomed) == 0)
        #expect(try socket.connections(filter(one)).isEmpty)
        #expect(try socket.connections(filter(one) { $0.answerer = nil }).count == 200)
    }

    @Test("many filters at once find what each of them finds")
    func many() throws {
        for client in 0..<60 as Range<UInt16> {
            try socket.make(
                connection(client % 2 == 0 ? .v4 : .v6, client: 1000 + client, to: 50 + client % 10, by: 5000 + client % 4))
        }
        var filters: Set<ConnectionFilter> = []
        for number in 0..<10 as Range<UInt16> {
            filters.insert(filter(try connection(.v4, to: 50 + number, by: 5000 + number % 4)))
            filters.insert(filter(try connection(.v6, to: 50 + number)) { ($0.destination, $0.answerer) = (nil, nil) })
        }
        // By their ids: their time runs down between one look and the next.
        let each = try filters.reduce(into: Set<UInt32?>()) { $0.formUnion(try socket.connections($1).map(\.id)) }
        #expect(try Set(socket.connections(filters).map(\.id)) == each && each.count > 30 && !each.contains(nil))
    }

    @Test("one walk finds those that are meant, of both families and all protocols")
    func whole() throws {
        let all = try IPFamily.allCases.flatMap { family in
            [try connection(family), try connection(family, client: 4001, 6), try connection(family, client: 4003, 132)]
        }
        for connection in all { try socket.make(connection) }
        #expect(try Set(socket.connections { _ in true }.map(\.original)) == Set(all.map(\.original)))
        let doomed = try socket.connections { $0.original.source.family == .v6 && $0.original.transport == 132 }
        #expect(doomed.map(\.original) == [all[5].original])
        #expect(try socket.end(doomed) == 1)
        #expect(try socket.connections { _ in true }.count == 5)
    }
}
