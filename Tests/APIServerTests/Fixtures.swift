import APIServer
import Glibc
import Testing

extension Tag {
    @Tag static var kernel: Self
}

/// A directory of a test's own, gone with the value.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/tulle-store-XXXXXX".utf8CString)
        let made = mkdtemp(&template) != nil
        try #require(made, "mkdtemp: errno \(errno)")
        path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    deinit {
        for name in ["store.sqlite", "store.sqlite-wal", "store.sqlite-shm", "store.sqlite.lock", "acknowledged"] {
            unlink("\(path)/\(name)")
        }
        rmdir(path)
    }

    var store: String { path + "/store.sqlite" }
    var acknowledged: String { path + "/acknowledged" }
}

func pod(_ name: String, in namespace: String = "default") -> ObjectKey {
    ObjectKey(resource: "pods", namespace: namespace, name: name)
}

extension Body {
    init(text: String) { self.init(Array(text.utf8)) }
}

extension StoredObject {
    var text: String { String(decoding: body, as: UTF8.self) }
}

extension Change {
    /// One line a person can read: `ADDED default/a@1 text`.
    var line: String { "\(kind.rawValue) \(key.namespace)/\(key.name)@\(revision) \(object.text)" }
}

/// The same random numbers again for the same seed (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
