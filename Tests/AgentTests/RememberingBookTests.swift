import Addressing
import Logging
import Testing

@testable import Agent

@Suite("what an agent leaves to the next one")
struct RememberingBookTests {
    private let directory: TemporaryDirectory
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    init() throws { directory = try TemporaryDirectory() }

    private func book(_ inner: Book, of node: String = "n1") -> RememberingBook {
        RememberingBook(inner, of: AgentSettings(node: node, stateDirectory: directory.path), logger: logger)
    }

    @Test("is handed on as it was adopted, to the same node and to no other")
    func recalled() throws {
        let ranges = try [net("10.244.1.0/24"), net("fd00:10:244:1::/64")]
        let first = Book()
        let writer = book(first)
        #expect(!writer.recall() && first.adopted.isEmpty)
        writer.adopt(prefixes: ranges, mtu: 1450, reserved: [try ip("192.0.2.1"), try ip("2001:db8::1")])
        #expect(first.adopted == ranges)
        #expect(
            directory.read("node")
                == #"{"node":"n1","prefixes":["10.244.1.0/24","fd00:10:244:1::/64"],"mtu":1450,"#
                + #""reserved":["192.0.2.1","2001:db8::1"]}"# + "\n")
        let next = Book()
        #expect(book(next).recall() && next.adopted == ranges)
        let stranger = Book()
        #expect(!book(stranger, of: "n2").recall() && stranger.adopted.isEmpty)
    }

    @Test("is written once, again when it changed, and not recalled when there was no range at last")
    func written() throws {
        let writer = book(Book())
        writer.adopt(prefixes: [try net("10.244.1.0/24")], mtu: 1500, reserved: [])
        directory.remove("node")
        writer.adopt(prefixes: [try net("10.244.1.0/24")], mtu: 1500, reserved: [])
        #expect(directory.read("node") == "")
        writer.adopt(prefixes: [try net("10.244.2.0/24")], mtu: 1500, reserved: [])
        #expect(directory.read("node").contains("10.244.2.0/24"))
        writer.adopt(prefixes: [], mtu: 1500, reserved: [])
        #expect(!book(Book()).recall())
    }

    @Test(
        "is passed over when it is not of this release",
        arguments: [
            "", "x", "[]", "{}", #"{"node":"n1","prefixes":["10.244.1.0/24"],"reserved":[]}"#,
            #"{"node":"n1","prefixes":["10.244.1.0/33"],"mtu":1500,"reserved":[]}"#,
            #"{"node":"n1","prefixes":["10.244.1.0/24",5],"mtu":1500,"reserved":[]}"#,
            #"{"node":"n1","prefixes":["10.244.1.0/24"],"mtu":1500,"reserved":["x"]}"#,
            #"{"node":"n1","prefixes":["10.244.1.0/24"],"mtu":0,"reserved":[]}"#,
            #"{"node":"n1","prefixes":[],"mtu":1500,"reserved":[]}"#, #"{"prefixes":["10.244.1.0/24"],"mtu":1500,"reserved":[]}"#,
        ])
    func foreign(_ text: String) throws {
        try directory.write(text, to: "node")
        let inner = Book()
        #expect(!book(inner).recall() && inner.adopted.isEmpty)
    }
}
