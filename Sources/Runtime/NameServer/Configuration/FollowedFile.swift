internal import Glibc

/// A file that others replace: read again and again, and told of when it has changed.
///
/// It is read whole each time: such files are small, and whatever is in between, links that are turned (as those of a mounted
/// ConfigMap or of systemd-resolved) or a file written in place, what counts is what stands there.
public struct FollowedFile: Sendable {
    public let path: String
    private var last: Reading?

    public enum Reading: Hashable, Sendable {
        case text(String)
        /// An error number; what was read before should stay in force.
        case unreadable(Int32)
    }

    /// Larger files are none of ours: they are refused as `EFBIG`.
    public static let mostBytes = 1 << 20

    public init(_ path: String) { self.path = path }

    /// What stands there now; `nil` when it is the same as last time.
    public mutating func changed() -> Reading? {
        let reading = Self.read(path)
        guard reading != last else { return nil }
        last = reading
        return reading
    }

    /// Looks again after every pause until the task is cancelled, and tells what has changed, what stands there at first
    /// included.
    ///
    /// - Parameter pause: waits as long as is wished between two looks.
    public func follow(pause: @Sendable () async throws -> Void, _ changed: @Sendable (Reading) -> Void) async {
        var file = self
        while !Task.isCancelled {
            if let reading = file.changed() { changed(reading) }
            do { try await pause() } catch { return }
        }
    }

    /// What stands in a file now.
    ///
    /// - Parameter most: bytes; a larger one is refused as `EFBIG`.
    public static func read(_ path: String, most: Int = mostBytes) -> Reading {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return .unreadable(errno) }
        defer { _ = close(descriptor) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 16384)
        while true {
            let count = Glibc.read(descriptor, &piece, piece.count)
            if count < 0 { return .unreadable(errno) }
            if count == 0 { return .text(String(decoding: bytes, as: UTF8.self)) }
            bytes += piece[..<count]
            if bytes.count > most { return .unreadable(EFBIG) }
        }
    }
}
