import Addressing
import Plan
import Testing

@testable import Agent

@Suite("the record of an attachment")
struct AttachmentRecordTests {
    @Test("comes back as it was written")
    func roundTrip() throws {
        for record in [
            try record("c1", "10.244.1.2"),
            try record("c1", "10.244.1.2", "fd00:10:244:1::2", interface: "net1", pod: "default/walker"),
            try record("a.b_c-d", "fd00::1", pod: "näme/space \"quoted\" \\ \u{1}"),
        ] {
            #expect(AttachmentRecord(bytes: record.bytes) == record)
        }
    }

    @Test("with all that a pod may ask for comes back as it was written")
    func wishes() throws {
        var record = try record("c1", "10.244.1.2", "fd00:10:244:1::2")
        record.attachment = Plan.Attachment(
            id: record.attachment.id, addresses: record.attachment.addresses, mtu: 1500, mac: MACAddress("02:00:00:00:00:07"))
        record.attachment.ports = [
            PortMapping(.tcp, .any, 8080, to: 80), PortMapping(.udp, .every(.v6), 53, to: 53),
            PortMapping(.sctp, .one(try ip("2001:db8::1")), 9, to: 9), PortMapping(.tcp, .every(.v4), 1, to: 2),
        ]
        record.attachment.bandwidth = Bandwidth(ingress: .init(rate: 8_000_000_000_000), egress: .init(rate: 1000, burst: 80_000))
        record.attachment.reach = .ranges([try net("10.244.1.0/24"), try net("fd00::/8")])
        record.attachment.settings = ["net/ipv4/conf/eth0.7/rp_filter": "2", "net/ipv4/ip_local_port_range": "1\t2"]
        #expect(AttachmentRecord(bytes: record.bytes) == record)
        record.attachment.reach = .ranges([])
        #expect(AttachmentRecord(bytes: record.bytes) == record)
    }

    @Test(
        "is none when a wish in it makes no sense: what it holds would be lost in silence",
        arguments: [
            #""mac":7"#, #""mac":"x""#, #""portMappings":7"#, #""portMappings":[{"hostPort":80}]"#,
            #""bandwidth":{"ingressRate":-1}"#, #""bandwidth":{"egressRate":1000000000000000000}"#, #""ranges":"10.0.0.0/8""#,
            #""ranges":["x"]"#, #""sysctl":7"#,
            #""sysctl":{"net/ipv4/ip_forward":7}"#,
        ])
    func damagedWish(_ member: String) {
        let whole = #"{"container":"c1","interface":"eth0","addresses":["10.244.1.2"],"mtu":1500"#
        #expect(AttachmentRecord(bytes: Array((whole + "}").utf8)) != nil)
        #expect(AttachmentRecord(bytes: Array((whole + "," + member + "}").utf8)) == nil)
    }

    @Test(
        "is none when something is missing or makes no sense",
        arguments: [
            "", "\n", "{", "[]", "null", #"{"container":"c1"}"#,
            #"{"container":"c1","interface":"eth0","addresses":[],"mtu":1500}"#,
            #"{"container":"c1","interface":"eth0","addresses":["10.244.1.2",7],"mtu":1500}"#,
            #"{"container":"c1","interface":"eth0","addresses":["10.244.1"],"mtu":1500}"#,
            #"{"container":"c1","interface":"eth0","addresses":["10.244.1.2"],"mtu":"1500"}"#,
            #"{"container":"c1","interface":"eth0","addresses":["10.244.1.2"],"mtu":0}"#,
            #"{"container":"c1","interface":"eth0","addresses":["10.244.1.2"],"mtu":-5}"#,
            #"{"container":7,"interface":"eth0","addresses":["10.244.1.2"],"mtu":1500}"#,
            #"{"container":"c1","addresses":["10.244.1.2"],"mtu":1500}"#,
            #"{"container":"../c1","interface":"eth0","addresses":["10.244.1.2"],"mtu":1500}"#,
            #"{"container":"c1","interface":"a/b","addresses":["10.244.1.2"],"mtu":1500}"#,
        ])
    func damaged(_ text: String) {
        #expect(AttachmentRecord(bytes: Array(text.utf8)) == nil)
    }

    @Test("is none when it was cut anywhere")
    func cut() throws {
        let bytes = try record("c1", "10.244.1.2", "fd00::2", pod: "default/walker").bytes
        // The last byte is the line's end.
        for length in 0..<(bytes.count - 1) {
            #expect(AttachmentRecord(bytes: Array(bytes[..<length])) == nil, "\(length) bytes")
        }
    }
}
