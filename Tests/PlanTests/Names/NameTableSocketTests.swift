import Addressing
import CLinux
import Cluster
import DNS
import Glibc
import Logging
import NameServer
import Testing

@testable import Plan

/// The same questions as of the zones, over loopback.
@Suite("the names of a cluster's objects over sockets", .serialized, .timeLimit(.minutes(5))) struct NameTableSocketTests {
    @Test("every question gets its answer over UDP and TCP, IPv4 and IPv6", arguments: IPFamily.allCases)
    func rows(family: IPFamily) throws {
        let served = try Served(family)
        defer { served.server.stop() }
        for row in NameTable.rows {
            for isStream in [false, true] {
                for edns in [nil, EDNS(udpSize: 1232)] {
                    let lines = try served.lines(row.question, isStream: isStream, edns: edns)
                    // Addresses of a set take turns at being first.
                    #expect(lines.sorted() == ([row.code] + row.lines).sorted(), "\(row) \(isStream ? "TCP" : "UDP")")
                }
            }
        }
    }

    @Test("what does not fit is left out over UDP, and is whole over TCP")
    func truncation() throws {
        var objects = try NameFixture.named()
        objects.set(try NameFixture.service("many", #""clusterIP": "None""#))
        objects.set(try NameFixture.slice("many-1", of: "many", (1...100).map { "192.0.2.\($0)" }))
        let served = try Served(.v4, NamePlan().zones(of: objects))
        defer { served.server.stop() }
        let short = try served.message("many.testns.svc.cluster.local. A", isStream: false, edns: nil)
        #expect(short.header.isTruncated && short.bytes().count <= 512)
        let whole = try served.message("many.testns.svc.cluster.local. A", isStream: true, edns: nil)
        #expect(!whole.header.isTruncated && whole.answers.count == 100)
    }

    @Test(
        "dig and kdig read the answers",
        arguments: [("dig", ["+short"]), ("dig", ["+short", "+tcp"]), ("kdig", ["+short"]), ("kdig", ["+short", "+tcp"])])
    func programs(program: String, options: [String]) throws {
        let served = try Served(.v6)
        defer { served.server.stop() }
        func says(_ words: String...) throws -> Set<Substring> {
            let command = ([program, "@::1", "-p", "\(served.port)"] + options + words).joined(separator: " ")
            let pipe = try #require(popen(command, "r"))
            var text: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 4096)
            while case let count = fread(&buffer, 1, buffer.count, pipe), count > 0 { text += buffer[..<count] }
            #expect(pclose(pipe) == 0, "\(command)")
            return Set(String(decoding: text, as: UTF8.self).split(separator: "\n"))
        }
        #expect(try says("hdls1.testns.svc.cluster.local", "AAAA") == ["5678:abcd::1", "5678:abcd::2"])
        #expect(
            try says("external-to-service.testns.svc.cluster.local", "A") == ["svc1.testns.svc.cluster.local.", "10.0.0.1"])
        #expect(
            try says("_http._tcp.svc1.testns.svc.cluster.local", "SRV") == ["0 100 80 svc1.testns.svc.cluster.local."])
        #expect(try says("-x", "10.0.0.1") == ["svc1.testns.svc.cluster.local."])
        #expect(try says("dns-version.cluster.local", "TXT") == ["\"1.1.0\""])
    }

    /// A server on a port of loopback that the kernel chose.
    private struct Served {
        let server: DNSServer
        let port: UInt16
        private let address: [UInt8]

        init(_ family: IPFamily, _ zones: Zones? = nil) throws {
            let place = try ip(family == .v4 ? "127.0.0.1" : "::1")
            let settings = NameServerSettings(
                addresses: [place], port: 0, threads: 1, now: { .nanoseconds(clinux_clock(CLOCK_MONOTONIC)) })
            server = DNSServer(settings, outside: nil, logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
            let zones = try zones ?? NamePlan().zones(of: NameFixture.named())
            server.serve(ServedNames(zones: zones))
            try server.start()
            port = try #require(server.addresses.first?.port)
            address = place.bytes
        }

        func lines(_ question: String, isStream: Bool, edns: EDNS?) throws -> [String] {
            let message = try message(question, isStream: isStream, edns: edns)
            return ["\(message.responseCode)"] + message.answers.map { "= \($0)" } + message.authorities.map { "~ \($0)" }
                + message.additionals.map { "+ \($0)" }
        }

        func message(_ question: String, isStream: Bool, edns: EDNS?) throws -> Message {
            let words = question.split(separator: " ").map(String.init)
            let asked = Question(try #require(DomainName(words[0])), try #require(RecordType(words[1])))
            let query = Message.query(asked, id: .random(in: .min ... .max), edns: edns).bytes()
            let socket =
                isStream
                ? clinux_connect_stream(address, address.count, port, 0)
                : clinux_connect_datagram(address, address.count, port, 0)
            try #require(socket >= 0)
            defer { close(socket) }
            try wait(socket, POLLOUT)
            let sent = isStream ? [UInt8(query.count >> 8), UInt8(query.count & 0xFF)] + query : query
            try #require(clinux_send_now(socket, sent, sent.count) == sent.count)
            var answer: [UInt8] = []
            repeat {
                try wait(socket, POLLIN)
                var buffer = [UInt8](repeating: 0, count: 65536)
                let count = clinux_receive_now(socket, &buffer, buffer.count)
                try #require(count > 0, "\(question)")
                answer += buffer[..<count]
            } while isStream && (answer.count < 2 || answer.count < 2 + (Int(answer[0]) << 8 | Int(answer[1])))
            return try Message(isStream ? Array(answer.dropFirst(2)) : answer)
        }

        private func wait(_ socket: Int32, _ events: Int32) throws {
            var entry = pollfd(fd: socket, events: Int16(events), revents: 0)
            try #require(poll(&entry, 1, 60_000) == 1, "nobody answers")
        }
    }
}
