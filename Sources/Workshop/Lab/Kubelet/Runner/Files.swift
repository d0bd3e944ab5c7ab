import CLinux
import Glibc

/// The few things a kubelet does with files.
enum Files {
    static func makeDirectories(_ path: String, mode: mode_t = 0o755) throws(LabError) {
        var made = ""
        for name in path.split(separator: "/") {
            made += "/\(name)"
            guard mkdir(made, mode) == 0 || errno == EEXIST else {
                throw LabError(.processFailed, "make \(made): errno \(errno)")
            }
        }
    }

    static func write(_ bytes: some Collection<UInt8>, to path: String, mode: mode_t = 0o644) throws(LabError) {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
        guard file >= 0 else { throw LabError(.processFailed, "write \(path): errno \(errno)") }
        defer { close(file) }
        let bytes = Array(bytes)
        guard Glibc.write(file, bytes, bytes.count) == bytes.count else {
            throw LabError(.processFailed, "write \(path): errno \(errno)")
        }
    }

    /// When it was written last.
    static func changed(_ path: String) -> Moment? {
        let nanoseconds = clinux_file_written(path)
        return nanoseconds < 0 ? nil : Moment(.nanoseconds(nanoseconds))
    }

    static func text(of path: String) -> String? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(file, &buffer, buffer.count)
            guard count > 0 else { return String(decoding: text, as: UTF8.self) }
            text += buffer.prefix(count)
        }
    }

    static func names(in path: String) -> [String] {
        guard let stream = opendir(path) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// With everything in it; symbolic links are not followed.
    static func remove(_ path: String) {
        if unlink(path) == 0 || errno == ENOENT { return }
        for name in names(in: path) { remove("\(path)/\(name)") }
        rmdir(path)
    }
}
