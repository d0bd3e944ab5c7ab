import KubeAPI
import KubeClient
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// A directory of this test alone, gone with it.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/tulle-kube-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Refused(what: "mkdtemp", errno: errno) }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        for name in names() { unlink("\(path)/\(name)") }
        rmdir(path)
    }

    struct Refused: Error {
        let what: String
        let errno: Int32
    }

    private func names() -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            // Safe: the bytes are read inside the closure only, up to the terminating zero that readdir guarantees.
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if name != "." && name != ".." { names.append(name) }
        }
        return names
    }

    /// Writes a file by renaming a new one over it, as editors do; the inode changes.
    @discardableResult
    func write(_ text: String, to name: String) throws -> String {
        let (new, final) = ("\(path)/.new", "\(path)/\(name)")
        guard let file = fopen(new, "w") else { throw Refused(what: "fopen", errno: errno) }
        fputs(text, file)
        fclose(file)
        guard rename(new, final) == 0 else { throw Refused(what: "rename", errno: errno) }
        return final
    }

    func remove(_ name: String) { unlink("\(path)/\(name)") }

    func link(_ name: String, to target: String) {
        unlink("\(path)/\(name)")
        symlink(target, "\(path)/\(name)")
    }
}

/// A clock on which no time passes: every sleep is over at once, and noted.
final class InstantClock: Clock {
    struct Instant: InstantProtocol {
        var offset: Duration
        func advanced(by duration: Duration) -> Instant { Instant(offset: offset + duration) }
        func duration(to other: Instant) -> Duration { other.offset - offset }
        static func < (a: Instant, b: Instant) -> Bool { a.offset < b.offset }
    }

    private let state = Mutex((now: Duration.zero, sleeps: [Duration]()))

    var now: Instant { Instant(offset: state.withLock { $0.now }) }
    var minimumResolution: Duration { .zero }
    var sleeps: [Duration] { state.withLock { $0.sleeps } }

    /// Time passes, without anybody waiting for it.
    func pass(_ duration: Duration) { state.withLock { $0.now += duration } }

    func sleep(until deadline: Instant, tolerance: Duration?) async throws {
        try Task.checkCancellation()
        state.withLock {
            $0.sleeps.append(deadline.offset - $0.now)
            $0.now = deadline.offset
        }
        await Task.yield()
    }
}

func namespace(_ name: String, _ version: String = "1", label: String? = nil) -> JSONValue {
    [
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": [
            "name": .string(name), "resourceVersion": .string(version), "labels": label.map { ["label": .string($0)] } ?? [:],
        ],
    ]
}

func reading(_ name: String, _ version: String = "1", label: String? = nil) -> Registry.Reading {
    Registry.standard.read(namespace(name, version, label: label))
}

func texts(_ events: [ObjectEvent]) -> [String] { events.map(\.description) }
