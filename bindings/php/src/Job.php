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
use SocialChannel\Model\HistoryRow;
use SocialChannel\Model\JobChange;
use SocialChannel\Model\JobStatus;
use SocialChannel\Model\MediaInfo;
use SocialChannel\Model\Post;
use SocialChannel\Model\Quota;
use SocialChannel\Model\Resolution;

/**
 * A publish job: how it stood when it was read. Every call returns how it stands afterwards.
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
        /** The component that drives it. */
        public string $digest,
        /** What it publishes. */
        public Post $post,
        /** @var list<MediaInfo> Its media. */
        #[ListOf(MediaInfo::class)]
        public array $media,
        /** Where it stands. */
        public JobStatus $status,
        /** `waiting`, `checking`, `uploading`, `processing`, or the platform's own word. */
        public string $phase,
        /** Of the media. */
        public int $bytesSent,
        /** Of the media. */
        public int $bytesTotal,
        /** The platform's id of the post, once it tells. */
        public ?string $postId,
        /** The post's page. */
        public ?string $url,
        /** Why it waits, or how it ended. */
        public ?Error $error,
        /** When it goes on by itself; seconds since 1970. */
        public ?int $nextAttemptAt,
        /** Failed attempts of the present step. */
        public int $attempts,
        /** Somebody asked to cancel it. */
        public bool $cancelRequested,
        /** The caller's key. */
        public ?string $idempotencyKey,
        /** The job that this one repeats. */
        public ?string $retryOf,
        /** @var list<string> The platform's ids of this publish. */
        public array $references,
        /** As asked for. */
        public int $priority,
        /** As asked for; seconds since 1970. */
        public ?int $publishAt,
        /** Given up after this instant; seconds since 1970. */
        public int $deadlineAt,
        /** @var array<string, string>|null What the person agreed to. */
        public ?array $consent,
        /** @var list<Quota> The account's allowances, as last told to this job. One that is used up holds it. */
        #[ListOf(Quota::class)]
        public array $quotas,
        /** When a request that may make the post was first begun; null: nothing can have been posted. */
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
     * Reads it anew, without waiting.
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
     * Somebody must drive it meanwhile: this host in the background, a worker, or the service.
     *
     * @param float|null $seconds at most this long; null: as long as it takes
     * @param (callable(self): void)|null $progress is told how it stands, at least once and whenever that changed
     * @param float $every how often to look, in seconds, where there is a `progress` to tell
     *
     * @throws SocialChannelException
     */
    public function wait(?float $seconds = null, ?callable $progress = null, float $every = 0.25): self
    {
        $end = $seconds === null ? null : hrtime(true) + (int) ($seconds * 1e9);
        $told = null;
        $job = $this;
        do {
            $left = $end === null ? PHP_INT_MAX : max(0, intdiv($end - hrtime(true), 1_000_000));
            $slice = (int) min($left, $progress === null ? 30_000 : max(20, $every * 1000));
            $job = $this->read(
                $this->calls->transport->waitForJob($this->calls->tenant, $this->id, $slice),
            );
            $shown = [$job->status, $job->phase, $job->bytesSent, $job->attempts];
            if ($progress !== null && $shown !== $told) {
                $progress($job);
                $told = $shown;
            }
        } while ($job->status === JobStatus::Active && $left > $slice);
        return $job;
    }

    /**
     * Throws what it ended with, unless it is published.
     *
     * @throws CallException of the error's kind; `OutcomeUnknown` where it did not end
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
     * Asks to cancel it. What was sent already may still be posted; its end says. One that has ended stays as it is.
     *
     * @throws SocialChannelException
     */
    public function cancel(): self
    {
        return $this->read($this->calls->transport->cancelJob($this->calls->tenant, $this->id));
    }

    /**
     * Goes on with it now: after a crash, a pause, or a change that a person made. One that has ended cannot go on.
     *
     * @throws SocialChannelException
     */
    public function resume(): self
    {
        return $this->read($this->calls->transport->resumeJob($this->calls->tenant, $this->id));
    }

    /**
     * Changes it while nothing can have been posted, and goes on with it.
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
     * A new job for what this one did not publish.
     *
     * @param bool $looked after `Unknown`: the person has looked and found nothing. Better say it with `resolve()`.
     *
     * @throws SocialChannelException
     */
    public function retry(bool $looked = false): self
    {
        return $this->read($this->calls->transport->retryJob($this->calls->tenant, $this->id, $looked));
    }

    /**
     * Says what a person found after it ended `Unknown`. Posted: it is `Published`. Not posted: it is `Failed`, and
     * may be tried again.
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
