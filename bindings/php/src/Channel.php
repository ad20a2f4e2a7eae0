<?php

declare(strict_types=1);

namespace SocialChannel;

use SocialChannel\Exception\SocialChannelException;
use SocialChannel\Internal\Calls;
use SocialChannel\Internal\Document;
use SocialChannel\Internal\Reader;
use SocialChannel\Model\Disconnected;
use SocialChannel\Model\Finding;
use SocialChannel\Model\Health;
use SocialChannel\Model\Media;
use SocialChannel\Model\Post;
use SocialChannel\Model\PostPage;
use SocialChannel\Model\PostSummary;
use SocialChannel\Model\Profile;
use SocialChannel\Model\PublishForm;
use SocialChannel\Model\Stats;

/**
 * A connected account: its state when it was read, and the calls on its behalf.
 */
final readonly class Channel implements \JsonSerializable
{
    use Document;

    /** @internal Ask a `Host` for channels. */
    public function __construct(
        private Calls $calls,
        /** The channel's id. */
        public string $id,
        /** The app it was connected with. */
        public string $app,
        /** The platform's stable id of the account. */
        public string $accountId,
        /** May change at the platform. */
        public string $displayName,
        /** May stop working after some hours. */
        public ?string $avatarUrl,
        /** @var list<string> Permissions granted. */
        public array $scopes,
        /** @var list<string> Permissions that were requested but not granted. */
        public array $missingScopes,
        /** What the account can currently do. */
        public Health $health,
        /** The reason for the health, and what to do. */
        public ?string $healthDetail,
        /** A warning before the connection ends. */
        public ?string $warning,
        /** Seconds since 1970. */
        public int $connectedAt,
        /** When the connection ends unless it is renewed; seconds since 1970. */
        public ?int $connectionEndsAt,
        /** The handle, without `@`: tells accounts of one name apart. Null until the platform told it. */
        public ?string $username = null,
        /** `person`, `page`, `organisation`, `group`, `channel`, or the platform's own term. Null: the provider does not say. */
        public ?string $kind = null,
        /** The platform's id of the account that this one belongs to, as a page belongs to an organisation. */
        public ?string $parentId = null,
        /** Who connected it; null: a caller without a name. */
        public ?string $connectedBy = null,
    ) {
    }

    /**
     * Reads the account's profile from the platform.
     *
     * @throws SocialChannelException
     */
    public function profile(): Profile
    {
        return Reader::read(Profile::class, $this->calls->transport->getProfile($this->calls->tenant, $this->id));
    }

    /**
     * Reads the account's statistics from the platform.
     *
     * @throws SocialChannelException
     */
    public function stats(): Stats
    {
        return Reader::read(Stats::class, $this->calls->transport->getStats($this->calls->tenant, $this->id));
    }

    /**
     * One page of the account's posts, newest first.
     *
     * @param int $limit the maximum number; the provider lowers it to the platform's limit
     * @param string|null $cursor `nextCursor` of the page before
     *
     * @throws SocialChannelException
     */
    public function posts(int $limit = 20, ?string $cursor = null): PostPage
    {
        $query = ['limit' => $limit] + ($cursor === null ? [] : ['cursor' => $cursor]);
        return Reader::read(
            PostPage::class,
            $this->calls->transport->listPosts($this->calls->tenant, $this->id, $query),
        );
    }

    /**
     * All of the account's posts, newest first; pages are requested as needed.
     *
     * @return \Generator<int, PostSummary>
     *
     * @throws SocialChannelException
     */
    public function allPosts(int $pageSize = 20): \Generator
    {
        $cursor = null;
        do {
            $page = $this->posts($pageSize, $cursor);
            foreach ($page->posts as $post) {
                yield $post;
            }
            $cursor = $page->nextCursor;
        } while ($cursor !== null);
    }

    /**
     * Posts by id, with current statistics and covers. Deleted, private and other accounts' posts are left out.
     *
     * @param list<string> $ids
     *
     * @return list<PostSummary>
     *
     * @throws SocialChannelException
     */
    public function postsById(array $ids): array
    {
        $found = $this->calls->transport->getPosts($this->calls->tenant, $this->id, $ids);
        return Reader::list(PostSummary::class, $found);
    }

    /**
     * What the account may post now. Call this again for every form that is shown.
     *
     * @throws SocialChannelException
     */
    public function publishForm(): PublishForm
    {
        return Reader::read(
            PublishForm::class,
            $this->calls->transport->getPublishForm($this->calls->tenant, $this->id),
        );
    }

    /**
     * Checks a post as far as possible without posting it. Only findings of severity `Error` prevent a post.
     *
     * @param Media|list<Media> $media
     *
     * @return list<Finding>
     *
     * @throws SocialChannelException
     */
    public function check(Post $post, Media|array $media = []): array
    {
        $request = $this->calls->request($post, is_array($media) ? $media : [$media]);
        $found = $this->calls->transport->checkPost($this->calls->tenant, $this->id, $request);
        return Reader::list(Finding::class, $found);
    }

    /**
     * Stores a publish job. It is on disk when this returns, and is driven by what drives the host's jobs. A post that
     * the account's form does not take is refused, and nothing is stored; the exception's `error->field` says why.
     *
     * Repeating the same `idempotencyKey` and request returns the same job, so a call whose response was lost may be
     * repeated. With a service, files are uploaded first; to repeat such a call from another process, upload the file
     * once with `Host::upload()` and pass its result.
     *
     * @param Media|list<Media> $media
     * @param int|null $publishAt not before this instant; seconds since 1970, to come and at most two years ahead;
     *                            null: now
     * @param int|null $deadlineAt the job fails if it has not ended at this instant; seconds since 1970
     * @param int $priority -100 to 100
     * @param array<string, string>|null $consent what the person agreed to: `by`, `at`, `words`
     *
     * @throws SocialChannelException
     */
    public function publish(
        Post $post,
        Media|array $media = [],
        ?string $idempotencyKey = null,
        ?int $publishAt = null,
        ?int $deadlineAt = null,
        int $priority = 0,
        ?array $consent = null,
    ): Job {
        $request = $this->calls->request($post, is_array($media) ? $media : [$media], [
            'idempotency_key' => $idempotencyKey,
            'publish_at' => $publishAt,
            'deadline_at' => $deadlineAt,
            'priority' => $priority,
            'consent' => $consent,
        ]);
        $job = $this->calls->transport->publish($this->calls->tenant, $this->id, $request);
        return Reader::read(Job::class, $job, $this->calls);
    }

    /**
     * Cancels the channel's jobs, tells the platform, and deletes the access. Jobs, consents and numbers are kept: the
     * same account connected to the same app again is the same channel, with the same id.
     *
     * @throws SocialChannelException
     */
    public function disconnect(): Disconnected
    {
        return Reader::read(
            Disconnected::class,
            $this->calls->transport->disconnect($this->calls->tenant, $this->id),
        );
    }
}
