import Glibc
import Testing

@testable import Netlink

extension Tag {
    /// Needs root and namespaces.
    @Tag static var kernel: Self
}

/// Whether kernel tests run: as root, and always where a skip counts as a failure.
let hasKernel = geteuid() == 0 || getenv("REQUIRE_KERNEL").map { String(cString: $0) } == "1"

/// A message as the kernel would send it: made by the writer, read back.
func readBack(_ request: NetlinkRequest) throws -> Message {
    var writer = MessageWriter()
    writer.message(request.type, flags: request.flags, sequence: 1, payload: request.payload)
    let messages = Message.split(writer.bytes[...])
    return try #require(messages.count == 1 ? messages[0] : nil)
}
