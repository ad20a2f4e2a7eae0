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
 * A connected account: how it stood when it was read, and the calls in its name.
 */
final readonly class Channel implements \JsonSerializable
{
    use Document;

    /** @internal Ask a `Host` for channels. */
    public function __construct(
        private Calls $calls,
        /** The host's own id of it. */
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
        /** @var list<string> Permissions asked for and not granted. */
        public array $missingScopes,
        /** What it can do at present. */
        public Health $health,
        /** Why, and what to do. */
        public ?string $healthDetail,
        /** Says when the connection will end, ahead of that. */
        public ?string $warning,
        /** Seconds since 1970. */
        public int $connectedAt,
        /** When the connection ends unless it is renewed; seconds since 1970. */
        public ?int $connectionEndsAt,
    ) {
    }

    /**
     * Asks the platform who the account is.
     *
     * @throws SocialChannelException
     */
    public function profile(): Profile
    {
        return Reader::read(Profile::class, $this->calls->transport->getProfile($this->calls->tenant, $this->id));
    }

    /**
     * Asks the platform for the account's numbers.
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
     * @param int $limit at most this many; the provider lowers it to what the platform allows
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
     * All of the account's posts, newest first; pages are asked for as they are needed.
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
     * Posts by id, with fresh numbers and covers. Ids that are gone, private or someone else's are left out.
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
     * What the account may post now. Ask anew for every form shown.
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
     * Everything that can be known of a post without posting it. Only findings of severity `Error` stop a post.
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
     * Stores a publish job. It is on disk when this returns, and is driven by whoever drives the host's jobs.
     *
     * The same `idempotencyKey` and request again give the same job, so a call whose answer was lost may be repeated.
     * Through a service, files are uploaded first; to repeat such a call from another process, bring the file with
     * `Host::upload()` once and give what that returned.
     *
     * @param Media|list<Media> $media
     * @param int|null $publishAt not before this instant; seconds since 1970
     * @param int|null $deadlineAt given up after this instant; seconds since 1970
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
     * Cancels the channel's jobs, tells the platform, and forgets the channel.
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
