internal import NIOCore

/// Runs tasks on an event loop: what the loop hands to one of them wakes no other thread.
///
/// Only for what is as short as a handler's work.
final class LoopExecutor: TaskExecutor {
    private let loop: any EventLoop

    init(_ loop: any EventLoop) { self.loop = loop }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        loop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }

    /// Does something once the task that asks for it waits for something else.
    func afterwards(_ work: @escaping @Sendable () -> Void) { loop.execute(work) }
}
