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
