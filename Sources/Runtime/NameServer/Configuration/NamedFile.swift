internal import Glibc

/// A file that a document names, such as one of 100,000 hosts: what it was when it was read, without what stood in it.
///
/// It is looked at by what the file system says of it, and read again only where that is different. Two changes within one tick of
/// the file system's clock look the same, so what was read once is read a second time at the next look.
public struct NamedFile: Hashable, Sendable {
    public let path: String
    /// Of what stood in it, or of why it could not be read; the same everywhere.
    public let fingerprint: UInt64
    private var state: State?
    private var isSettled = false

    /// Larger files are refused as `EFBIG`: half a million lines have their room.
    public static let mostBytes = 32 << 20

    private struct State: Hashable {
        var device: UInt64
        var inode: UInt64
        var size: Int64
        /// Of its content, and of what is said of it: each in seconds and nanoseconds.
        var times: [Int]

        init?(_ path: String) {
            var found = stat()
            guard stat(path, &found) == 0 else { return nil }
            (device, inode, size) = (UInt64(found.st_dev), UInt64(found.st_ino), Int64(found.st_size))
            times = [found.st_mtim.tv_sec, found.st_mtim.tv_nsec, found.st_ctim.tv_sec, found.st_ctim.tv_nsec]
        }
    }

    /// Reads it.
    public static func read(_ path: String) -> (file: NamedFile, reading: FollowedFile.Reading) {
        // Before it is read: what happens meanwhile is seen at the next look.
        let state = State(path)
        let reading = FollowedFile.read(path, most: mostBytes)
        return (NamedFile(path: path, fingerprint: reading.fingerprint, state: state), reading)
    }

    /// Whether something else stands there than was read.
    public mutating func isChanged() -> Bool {
        let now = State(path)
        if isSettled, now == state { return false }
        guard FollowedFile.read(path, most: Self.mostBytes).fingerprint == fingerprint else { return true }
        isSettled = now == state
        state = now
        return false
    }

    private init(path: String, fingerprint: UInt64, state: State?) {
        (self.path, self.fingerprint, self.state) = (path, fingerprint, state)
    }
}

extension FollowedFile.Reading {
    /// FNV-1a, of 64 bits.
    public var fingerprint: UInt64 {
        switch self {
        case .text(let text): Fingerprint.of(text)
        case .unreadable(let code): Fingerprint.of("errno", and: UInt64(UInt32(bitPattern: code)))
        }
    }
}

/// FNV-1a, of 64 bits: the same for the same text in every process.
public enum Fingerprint {
    public static func of(_ text: String, and hash: UInt64 = 0xCBF2_9CE4_8422_2325) -> UInt64 {
        var hash = hash
        let bytes = text.utf8.span
        for index in bytes.indices { hash = (hash ^ UInt64(bytes[index])) &* 0x100_0000_01B3 }
        return hash &* 0x100_0000_01B3
    }
}
