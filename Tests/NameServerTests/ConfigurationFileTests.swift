import DNS
import Glibc
import NameServer
import Synchronization
import Testing

@Suite("files that others replace")
struct ConfigurationFileTests {
    /// Runs with a directory of its own.
    private func withDirectory(_ body: (String) throws -> Void) throws {
        var template = Array("/tmp/tulle-names-XXXXXX".utf8CString)
        let path = try #require(mkdtemp(&template).map { String(cString: $0) })
        defer {
            for name in ["file", "link", "draft", "one", "two"] { unlink("\(path)/\(name)") }
            rmdir(path)
        }
        try body(path)
    }

    private func write(_ text: String, to path: String) throws {
        let file = try #require(fopen(path, "w"))
        fputs(text, file)
        fclose(file)
    }

    @Test("a change is told once, whether the file was written in place, replaced, or its link was turned")
    func changes() throws {
        try withDirectory { directory in
            var file = FollowedFile("\(directory)/link")
            #expect(file.changed() == .unreadable(ENOENT))
            #expect(file.changed() == nil)
            try write("one", to: "\(directory)/one")
            try write("two", to: "\(directory)/two")
            symlink("one", "\(directory)/link")
            #expect(file.changed() == .text("one"))
            #expect(file.changed() == nil)
            // As a mounted ConfigMap and systemd-resolved do it.
            symlink("two", "\(directory)/draft")
            rename("\(directory)/draft", "\(directory)/link")
            #expect(file.changed() == .text("two"))
            try write("two, in place", to: "\(directory)/two")
            #expect(file.changed() == .text("two, in place"))
            unlink("\(directory)/link")
            #expect(file.changed() == .unreadable(ENOENT))
            #expect(file.changed() == nil)
        }
    }

    @Test("a directory and a file that is far too large are unreadable")
    func unreadable() throws {
        try withDirectory { directory in
            #expect(FollowedFile.read(directory) == .unreadable(EISDIR))
            try write(String(repeating: "a", count: 2 << 20), to: "\(directory)/file")
            #expect(FollowedFile.read("\(directory)/file") == .unreadable(EFBIG))
        }
    }

    @Test("a file that a document names is changed when something else stands there, and by nothing else")
    func named() throws {
        try withDirectory { directory in
            let path = "\(directory)/link"
            func isChanged(_ file: inout NamedFile) -> Bool { file.isChanged() }
            func look(_ text: String?, _ before: inout NamedFile) {
                for _ in 0..<3 { #expect(!isChanged(&before)) }
                let (file, reading) = NamedFile.read(path)
                #expect(reading == (text.map(FollowedFile.Reading.text) ?? .unreadable(ENOENT)))
                #expect(file.fingerprint == before.fingerprint)
                before = file
            }
            var file = NamedFile.read(path).file
            look(nil, &file)
            try write("one", to: "\(directory)/one")
            symlink("one", path)
            var told = file
            #expect(isChanged(&told) && isChanged(&told), "until it is read")
            file = NamedFile.read(path).file
            look("one", &file)
            // As long, and at once.
            try write("two", to: "\(directory)/one")
            #expect(isChanged(&file))
            file = NamedFile.read(path).file
            try write("one", to: "\(directory)/one")
            #expect(isChanged(&file), "also within one tick of the clock, as it has been read once")
            file = NamedFile.read(path).file
            look("one", &file)
            // The same content in another file.
            try write("one", to: "\(directory)/draft")
            symlink("draft", "\(directory)/two")
            rename("\(directory)/two", path)
            look("one", &file)
            unlink(path)
            #expect(isChanged(&file))
            file = NamedFile.read(path).file
            look(nil, &file)
        }
    }

    @Test("a file that a document names may have millions of bytes")
    func large() throws {
        try withDirectory { directory in
            let text = String(repeating: "192.0.2.1 a.example\n", count: 200_000)
            try write(text, to: "\(directory)/file")
            #expect(NamedFile.read("\(directory)/file").reading == .text(text))
            let custom = try NameServerConfiguration("hosts: {file: \(directory)/file}").custom
            #expect(custom.hosts.count == 2)
        }
    }

    @Test("it is looked at after each pause, until the pause is broken off")
    func follow() async throws {
        let seen = Texts()
        let file = FollowedFile("/proc/self/comm")
        struct Over: Error {}
        await file.follow(pause: { if seen.pause() > 3 { throw Over() } }, { seen.add($0) })
        #expect(seen.count == 1, "it is told once, and looked at four times")
    }

    private final class Texts: Sendable {
        private let state = Mutex((pauses: 0, texts: [FollowedFile.Reading]()))
        func pause() -> Int {
            state.withLock {
                $0.pauses += 1; return $0.pauses
            }
        }
        func add(_ reading: FollowedFile.Reading) { state.withLock { $0.texts.append(reading) } }
        var count: Int { state.withLock { $0.texts.count } }
    }
}
