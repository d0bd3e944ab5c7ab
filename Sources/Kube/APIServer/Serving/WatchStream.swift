import HTTPTypes
import Hummingbird
import NIOCore

/// A watch as an answer: one JSON event a line, until either side has enough.
struct WatchStream: Sendable {
    /// What comes before the watch's own changes.
    let first: [Change]
    let watch: Watch

    func response(on channel: any Channel) -> Response {
        // A watch of something quiet writes nothing for hours, and would not notice by itself that nobody listens any more.
        channel.closeFuture.whenComplete { [watch] _ in watch.cancel() }
        return Response(
            status: .ok, headers: [.contentType: "application/json"],
            body: ResponseBody { writer in
                if !first.isEmpty { try await writer.write(Self.lines(first)) }
                do {
                    while let changes = try await watch.next() { try await writer.write(Self.lines(changes)) }
                } catch let error as StoreError {
                    var line = ByteBuffer()
                    line.writeEvent("ERROR", object: Status(error).json)
                    try await writer.write(line)
                }
                try await writer.finish(nil)
            })
    }

    static func lines(_ changes: [Change]) -> ByteBuffer {
        var buffer = ByteBuffer()
        for change in changes { buffer.writeEvent(change.kind.rawValue, object: change.object.body) }
        return buffer
    }
}

extension ByteBuffer {
    /// One event of a watch and its newline.
    fileprivate mutating func writeEvent(_ type: String, object: [UInt8]) {
        writeString(#"{"type":""#)
        writeString(type)
        writeString(#"","object":"#)
        writeBytes(object)
        writeString("}\n")
    }
}
