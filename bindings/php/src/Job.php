<?php

declare(strict_types=1);

namespace SocialChannel;

use SocialChannel\Exception\CallException;
use SocialChannel\Exception\SocialChannelException;
use SocialChannel\Internal\Calls;
use SocialChannel\Internal\Document;
use SocialChannel\Internal\ListOf;
use SocialChannel\Internal\Reader;
use SocialChannel\Model\Error;
use SocialChannel\Model\ErrorKind;
use SocialChannel\Model\Finding;
use SocialChannel\Model\HistoryRow;
use SocialChannel\Model\JobChange;
use SocialChannel\Model\JobStatus;
use SocialChannel\Model\MediaInfo;
use SocialChannel\Model\Post;
use SocialChannel\Model\PublishedPost;
use SocialChannel\Model\Quota;
use SocialChannel\Model\Resolution;

/**
 * A publish job: its state when it was read. Every call returns its state afterwards.
 */
final readonly class Job implements \JsonSerializable
{
    use Document;

    /** @internal Ask a `Host` for jobs. */
    public function __construct(
        private Calls $calls,
        /** Its name. */
        public string $id,
        /** The channel it publishes on. */
        public string $channel,
        /** The app that channel was connected with. */
        public string $app,
        /** The component that runs it. */
        public string $digest,
        /** What it publishes. */
        public Post $post,
        /** @var list<MediaInfo> Its media. */
        #[ListOf(MediaInfo::class)]
        public array $media,
        /** Its status. */
        public JobStatus $status,
        /** `waiting`, `checking`, `uploading`, `processing`, or the platform's own term. */
        public string $phase,
        /** Of the media. */
        public int $bytesSent,
        /** Of the media. */
        public int $bytesTotal,
        /** The platform's id of the post, once it is known. */
        public ?string $postId,
        /** The post's page. Null where it is published without `nextAttemptAt`: the platform gives none. */
        public ?string $url,
        /** @var list<PublishedPost> All posts that it made, the post itself first; the parts of a thread in order. */
        #[ListOf(PublishedPost::class)]
        public array $posts,
        /** @var list<Finding> What was not published as it was meant, where something is out. */
        #[ListOf(Finding::class)]
        public array $findings,
        /** Why it waits, or why it ended. */
        public ?Error $error,
        /** When it continues automatically; seconds since 1970. */
        public ?int $nextAttemptAt,
        /** Failed attempts of the current step. */
        public int $attempts,
        /** Its cancellation was requested. */
        public bool $cancelRequested,
        /** The caller's key. */
        public ?string $idempotencyKey,
        /** The job that this one repeats. */
        public ?string $retryOf,
        /** @var list<string> The platform's ids of this publish. */
        public array $references,
        /** As requested. */
        public int $priority,
        /** As requested; seconds since 1970. */
        public ?int $publishAt,
        /** It fails if it has not ended at this instant; seconds since 1970. */
        public int $deadlineAt,
        /** @var array<string, string>|null What the person agreed to. */
        public ?array $consent,
        /** @var list<Quota> The account's allowances, as last reported to this job. A used-up one delays it. */
        #[ListOf(Quota::class)]
        public array $quotas,
        /** When these were told, before the job sent anything; seconds since 1970. */
        public ?int $quotasAt,
        /** When a request that may make the post was first started; null: nothing can have been posted. */
        public ?int $sentAt,
        /** What a person found after `Unknown`. */
        public ?Resolution $resolution,
        /** Seconds since 1970. */
        public int $createdAt,
        /** Seconds since 1970. */
        public int $updatedAt,
        /** Seconds since 1970. */
        public ?int $endedAt,
    ) {
    }

    /** See `JobStatus::hasEnded()`. */
    public function hasEnded(): bool
    {
        return $this->status->hasEnded();
    }

    /** How much of the media is sent: 0.0 to 1.0. */
    public function progress(): float
    {
        return match (true) {
            $this->status === JobStatus::Published => 1.0,
            $this->bytesTotal === 0 => 0.0,
            default => min(1.0, $this->bytesSent / $this->bytesTotal),
        };
    }

    /**
     * Reads it again, without waiting.
     *
     * @throws SocialChannelException
     */
    public function poll(): self
    {
        return $this->read($this->calls->transport->getJob($this->calls->tenant, $this->id));
    }

    /**
     * Waits until it has ended, or pauses because a person must do something, or the time is up.
     *
     * The job must be run meanwhile by this host in the background, a worker, or the service. If only a worker runs
     * jobs (`Host::needsWorker()`), a timeout is required: without a worker a page would never end, and PHP's time
     * limit does not apply, because waiting uses no CPU time.
     *
     * @param float|null $seconds the timeout; null or INF: none
     * @param (callable(self): void)|null $progress called with the job, at least once and after every change
     * @param float $every how often to poll, in seconds, if there is a `progress`
     *
     * @throws SocialChannelException `InvalidArgument`: without a timeout, if only a worker runs jobs
     */
    public function wait(?float $seconds = null, ?callable $progress = null, float $every = 0.25): self
    {
        $longest = $seconds === null ? Calls::FOREVER : Calls::milliseconds($seconds);
        if ($longest === Calls::FOREVER && $this->calls->needsWorker) {
            throw CallException::from(new Error(
                ErrorKind::InvalidArgument,
                'this host drives no jobs (`background` is off), so without a worker wait() would never return',
                'give the seconds to wait, such as wait(5), and show the job again later; a worker calls Host::work()',
                'unbounded_wait',
                'seconds',
            ));
        }
        $now = static fn (): int => intdiv(hrtime(true), 1_000_000);
        $end = $now() + $longest;
        $told = null;
        do {
            $slice = (int) min(max(0, $end - $now()), $progress === null ? 30_000 : max(20, $every * 1000));
            $job = $this->read(
                $this->calls->transport->waitForJob($this->calls->tenant, $this->id, $slice),
            );
            $shown = [$job->status, $job->phase, $job->bytesSent, $job->attempts];
            if ($progress !== null && $shown !== $told) {
                $progress($job);
                $told = $shown;
            }
        } while ($job->status === JobStatus::Active && $now() < $end);
        return $job;
    }

    /**
     * Throws the job's error, unless it is published.
     *
     * @throws CallException of the error's kind; `OutcomeUnknown` if it has not ended
     */
    public function orFail(): self
    {
        if ($this->status === JobStatus::Published) {
            return $this;
        }
        throw CallException::from($this->error ?? new Error(
            $this->hasEnded() ? ErrorKind::Rejected : ErrorKind::OutcomeUnknown,
            "the job $this->id is {$this->status->value}",
        ));
    }

    /**
     * Requests its cancellation. What was already sent may still be posted; its final status says so. A job that has
     * ended does not change.
     *
     * @throws SocialChannelException
     */
    public function cancel(): self
    {
        return $this->read($this->calls->transport->cancelJob($this->calls->tenant, $this->id));
    }

    /**
     * Continues it now: after a crash, a pause, or a change that a person made. A job that has ended cannot
     * continue.
     *
     * @throws SocialChannelException
     */
    public function resume(): self
    {
        return $this->read($this->calls->transport->resumeJob($this->calls->tenant, $this->id));
    }

    /**
     * Changes it while nothing can have been posted, and continues it.
     *
     * @throws SocialChannelException
     */
    public function change(JobChange $change): self
    {
        return $this->read(
            $this->calls->transport->changeJob($this->calls->tenant, $this->id, $change->toArray()),
        );
    }

    /**
     * A new job for what this one did not publish. Asked for again it is the same new job, as long as that has not
     * ended without a post.
     *
     * @param bool $looked after `Unknown`: a person has checked and found nothing. Prefer `resolve()`.
     *
     * @throws SocialChannelException
     */
    public function retry(bool $looked = false): self
    {
        return $this->read($this->calls->transport->retryJob($this->calls->tenant, $this->id, $looked));
    }

    /**
     * Records what a person found after it ended `Unknown`. If it was posted, it becomes `Published`; if not, it
     * becomes `Failed` and may be retried.
     *
     * @throws SocialChannelException
     */
    public function resolve(Resolution $found): self
    {
        return $this->read(
            $this->calls->transport->resolveJob($this->calls->tenant, $this->id, $found->toArray()),
        );
    }

    /**
     * Every attempt of it.
     *
     * @return list<HistoryRow>
     *
     * @throws SocialChannelException
     */
    public function history(): array
    {
        return Reader::list(
            HistoryRow::class,
            $this->calls->transport->getJobHistory($this->calls->tenant, $this->id),
        );
    }

    private function read(mixed $document): self
    {
        return Reader::read(self::class, $document, $this->calls);
    }
}
