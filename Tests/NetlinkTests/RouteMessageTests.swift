import Addressing
import Testing

@testable import Netlink

@Suite("rtnetlink's messages")
struct RouteMessageTests {
    private func ip(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

    @Test("a link is read as it was written")
    func link() throws {
        var message = LinkMessage(index: 7, name: "tulle.1")
        message.isUp = true
        message.mac = MACAddress(local: 1)
        message.mtu = 1450
        message.master = 3
        message.alias = "web-0"
        message.group = 5
        message.makesLinkLocal = false
        message.kind = .vxlan(VXLAN(id: 1, port: 8472, local: try ip("2001:db8::1"), link: 2))
        let read = try #require(LinkMessage(try readBack(message.request(.create, operation: ""))))
        #expect(read.index == 7 && read.name == "tulle.1" && read.isUp == true && read.mac == MACAddress(local: 1))
        #expect(read.mtu == 1450 && read.master == 3 && read.alias == "web-0" && read.group == 5)
        #expect(read.makesLinkLocal == false && !read.isLoopback)
        guard case .vxlan(let overlay)? = read.kind else { throw KernelError(.badMessage, "read a vxlan link") }
        #expect(overlay == VXLAN(id: 1, port: 8472, local: try ip("2001:db8::1"), link: 2))
    }

    @Test("an address is read as it was written", arguments: ["192.0.2.1/24", "2001:db8::1/128"])
    func address(_ text: String) throws {
        let address = try #require(InterfaceAddress(text))
        let message = AddressMessage(address, link: 7, scope: 253, flags: [.noPrefixRoute, .noDuplicateDetection], proto: 84)
        let read = try #require(AddressMessage(try readBack(message.request(.create, operation: ""))))
        #expect(read.address == address && read.link == 7 && read.scope == 253 && read.proto == 84)
        #expect(read.flags == [.noPrefixRoute, .noDuplicateDetection])
    }

    @Test(
        "a route is read as it was written",
        arguments: [
            ("198.51.100.0/24", "192.0.2.1"), ("0.0.0.0/0", "192.0.2.1"), ("2001:db8::/32", "fe80::1"), ("::/0", "fe80::1"),
            ("198.51.100.0/24", "fe80::1"),  // by RTA_VIA
        ])
    func route(_ prefix: String, _ gateway: String) throws {
        var message = RouteMessage(try #require(IPPrefix(prefix)))
        message.gateway = try ip(gateway)
        message.table = 1000
        message.type = 1
        message.scope = 253
        message.proto = 84
        message.flags = .onlink
        message.link = 7
        message.source = try ip(prefix.contains(":") ? "2001:db8::1" : "192.0.2.9")
        message.metric = 5
        message.mtu = 1400
        let read = try #require(RouteMessage(try readBack(message.request(.create, operation: ""))))
        #expect(read.destination == message.destination && read.gateway == message.gateway && read.table == 1000)
        #expect(read.type == 1 && read.scope == 253 && read.proto == 84 && read.flags == .onlink && read.link == 7)
        #expect(read.source == message.source && read.metric == 5 && read.mtu == 1400 && !read.isMultipath)
    }

    @Test("a rule is read as it was written")
    func rule() throws {
        var message = RuleMessage(.v4)
        message.priority = 100
        message.from = IPPrefix("192.0.2.0/24")
        message.to = IPPrefix("198.51.100.0/24")
        message.incoming = "eth0"
        message.mark = 0x10
        message.mask = 0xF0
        message.table = 1000
        message.proto = 84
        let read = try #require(RuleMessage(try readBack(message.request(.create, operation: ""))))
        #expect(read.priority == 100 && read.from == message.from && read.to == message.to && read.incoming == "eth0")
        #expect(read.mark == 0x10 && read.mask == 0xF0 && read.table == 1000 && read.proto == 84 && read.action == 1)
        #expect(!read.hasMore)
    }

    @Test("a neighbour is read as it was written")
    func neighbour() throws {
        var message = NeighbourMessage(.bridge, link: 7, flags: .own)
        message.state = .permanent
        message.destination = try ip("192.0.2.1")
        message.mac = MACAddress(local: 1)
        let read = try #require(NeighbourMessage(try readBack(message.request(.create, operation: ""))))
        #expect(read.family == .bridge && read.link == 7 && read.flags == .own && read.state == .permanent)
        #expect(read.destination == message.destination && read.mac == message.mac)
    }

    @Test("verbs have the kernel's numbers and flags")
    func verbs() {
        let rows: [(RouteVerb, UInt16, UInt16)] = [
            (.create, 24, 0x600), (.replace, 24, 0x500), (.append, 24, 0xC00), (.change, 24, 0), (.remove, 25, 0), (.get, 26, 0),
        ]
        for (verb, type, flags) in rows {
            let request = RouteMessage(.all(.v4)).request(verb, operation: "")
            #expect(request.type == type && request.flags.rawValue == flags, "\(verb)")
        }
    }

    @Test("a message of another kind, family or size is not taken for this one")
    func strangers() {
        let empty = Message(type: 24, flags: [], sequence: 0, payload: [])
        #expect(RouteMessage(empty) == nil && LinkMessage(empty) == nil)
        let long = [UInt8](repeating: 0, count: 64)
        #expect(LinkMessage(Message(type: 24, flags: [], sequence: 0, payload: long[...])) == nil)
        // A prefix longer than its family, an address of the other family.
        let tooLong = [2, 33] + long
        #expect(RouteMessage(Message(type: 24, flags: [], sequence: 0, payload: tooLong[...])) == nil)
        let mixed: [UInt8] = [10, 64, 0, 0, 1, 0, 0, 0, 8, 0, 2, 0, 192, 0, 2, 1]
        #expect(AddressMessage(Message(type: 20, flags: [], sequence: 0, payload: mixed[...])) == nil)
    }
}
