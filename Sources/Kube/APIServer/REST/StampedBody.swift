import KubeAPI

/// An object written as JSON, but for its `resourceVersion`, which only the commit knows: the text has a gap for it, so that
/// the writing queue has nothing to do but to fill it.
struct StampedBody: Sendable {
    private var text: [UInt8] = []
    private var gap = 0

    init(_ object: JSONValue) {
        let writer = JSONWriter()
        text.append(UInt8(ascii: "{"))
        for (position, member) in (object.object?.members ?? []).enumerated() {
            if position > 0 { text.append(UInt8(ascii: ",")) }
            writer.write(.string(member.key), to: &text)
            text.append(UInt8(ascii: ":"))
            if member.key == "metadata" { write(metadata: member.value, writer) } else { writer.write(member.value, to: &text) }
        }
        text.append(UInt8(ascii: "}"))
    }

    private mutating func write(metadata: JSONValue, _ writer: JSONWriter) {
        text += Array(#"{"resourceVersion":""#.utf8)
        gap = text.count
        text.append(UInt8(ascii: "\""))
        for member in metadata.object?.members ?? [] where member.key != "resourceVersion" {
            text.append(UInt8(ascii: ","))
            writer.write(.string(member.key), to: &text)
            text.append(UInt8(ascii: ":"))
            writer.write(member.value, to: &text)
        }
        text.append(UInt8(ascii: "}"))
    }

    /// In bytes, without the revision.
    var count: Int { text.count }

    func bytes(at revision: Revision) -> [UInt8] {
        guard gap > 0 else { return text }
        return Array(text[..<gap]) + Array(revision.description.utf8) + text[gap...]
    }

    var body: Body { Body { self.bytes(at: $0) } }
}
