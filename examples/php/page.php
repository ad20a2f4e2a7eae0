<?php

declare(strict_types=1);

/*
 * An example web page: settings, connect, profile, statistics, posts, publish with a progress bar. Plain PHP, one
 * file.
 *
 * With the simulator, from the root of the repository (`php -S` has FFI disabled by default):
 *
 *   cargo xtask guests
 *   cargo build -p social-channel-c -p tiktok-simulator
 *   target/debug/tiktok-simulator --port 0 --auto-consent --describe > simulator.json &
 *   until [ -s simulator.json ]; do sleep 0.1; done
 *   export SIMULATOR=$PWD/simulator.json DATA=/tmp/page-data
 *   export SOCIAL_CHANNEL_LIBRARY=$PWD/target/debug/libsocialchannel.so
 *   export COMPONENT=$PWD/target/wasm32-wasip2/guest/plugin_tiktok.wasm
 *   php examples/php/worker.php &
 *   PHP_CLI_SERVER_WORKERS=4 php -d ffi.enable=1 -d upload_max_filesize=4G -d post_max_size=4G \
 *       -S 127.0.0.1:8001 examples/php/page.php
 *
 * Then open http://127.0.0.1:8001/. The worker runs the jobs, because a web server's processes do not. With a real
 * app, omit SIMULATOR, and enter key and secret under Settings. With a service, omit the worker, and set
 * SOCIAL_CHANNEL_SERVICE.
 */

use SocialChannel\Channel;
use SocialChannel\Exception\SocialChannelException;
use SocialChannel\Host;
use SocialChannel\Job;
use SocialChannel\Model\Choice;
use SocialChannel\Model\Field;
use SocialChannel\Model\Media;
use SocialChannel\Model\Post;
use SocialChannel\Model\PublishForm;
use SocialChannel\Model\Redirect;
use SocialChannel\Model\Severity;

require_once __DIR__ . '/../../bindings/php/autoload.php';
require_once __DIR__ . '/host.php';

const APP = 'demo';

session_start(['cookie_samesite' => 'Lax', 'cookie_httponly' => true, 'use_strict_mode' => true]);
$_SESSION['token'] ??= bin2hex(random_bytes(16));

/** Escapes for HTML. Text from a platform is plain text. */
function e(string|int|float|null $text): string
{
    return htmlspecialchars((string) $text, ENT_QUOTES);
}

function token(): string
{
    return '<input type="hidden" name="token" value="' . e($_SESSION['token']) . '">';
}

function show(string $title, string $body): never
{
    header('Content-Type: text/html; charset=utf-8');
    header("Content-Security-Policy: default-src 'self'; img-src https:; style-src 'unsafe-inline'; "
        . "script-src 'nonce-page'; form-action *");
    $title = e($title);
    echo <<<HTML
        <!doctype html><html lang="en"><meta charset="utf-8"><title>$title</title>
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <style>
          * { box-sizing: border-box } body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
          nav a { margin-right: 1rem } .error { border-left: 4px solid #b00; padding: .2rem 1rem; background: #fee }
          label { display: block; margin: .8rem 0 } input[type=text], select, textarea { width: 100%; padding: .4rem }
          button { padding: .5rem 1.2rem; font-size: 1rem } table { border-collapse: collapse; width: 100% }
          td, th { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #ddd }
          progress { width: 100%; height: 1.4rem } .numbers b { font-size: 1.5rem; margin-right: .3rem }
          .numbers span { margin-right: 1.5rem } small { color: #555 }
        </style>
        <nav><a href="/">Channels</a><a href="/settings">Settings</a><a href="/jobs">Jobs</a></nav>
        <h1>$title</h1>
        $body
        HTML;
    exit;
}

function go(string $to): never
{
    header("Location: $to", true, 303);
    exit;
}

function home(Host $host): never
{
    $missing = $host->app(APP)->missingSettings;
    if ($missing !== []) {
        show('Channels', '<p>First fill in the <a href="/settings">settings</a>: ' . e(implode(', ', $missing)) . '.');
    }
    $list = '';
    foreach ($host->channels() as $channel) {
        $list .= '<li><a href="/channel?id=' . e($channel->id) . '">' . e($channel->displayName) . '</a> '
            . e($channel->health->value) . ' <small>' . e($channel->healthDetail ?? $channel->warning) . '</small>';
    }
    $token = token();
    show('Channels', "<ul>$list</ul><form method=post action=/connect>$token<button>Add channel</button></form>"
        . '<p><small>' . e((string) $host->transport()) . '</small>');
}

function settings(Host $host): never
{
    $app = $host->app(APP);
    $fields = '';
    foreach ($app->settings as $setting) {
        $name = 'settings[' . e($setting->name) . ']';
        $value = $setting->kind === 'secret' ? '' : e($setting->value);
        $hint = $setting->kind === 'secret' ? e($setting->value) : '';
        $input = match ($setting->kind) {
            'choice' => choices($name, $setting->choices, $setting->value),
            'boolean' => choices($name, array_map(static fn ($it) => new Choice($it, $it), ['', 'true', 'false']), $setting->value),
            // One value per line.
            'text-list', 'multi-choice' => "<textarea name=\"$name\" rows=5>$value</textarea>",
            default => "<input type=text name=\"$name\" value=\"$value\" placeholder=\"$hint\" autocomplete=off>",
        };
        $fields .= '<label>' . e($setting->label) . ($setting->required ? ' *' : '') . "<br>$input<br><small>"
            . e($setting->help) . '</small></label>';
    }
    $token = token();
    show('Settings', "<form method=post action=/settings>$token$fields<button>Save</button></form>");
}

/** @param list<Choice> $choices */
function choices(string $name, array $choices, ?string $value): string
{
    $options = array_map(
        static fn (Choice $it): string => '<option value="' . e($it->value) . '"'
            . ($it->value === $value ? ' selected' : '') . '>' . e($it->label) . '</option>',
        $choices,
    );
    return "<select name=\"$name\">" . implode('', $options) . '</select>';
}

/** A value of a form; browsers send line ends as CR LF. */
function text(mixed $given): string
{
    return is_string($given) ? str_replace("\r\n", "\n", $given) : '';
}

function saveSettings(Host $host): never
{
    // An empty secret was not entered again.
    $given = array_map(text(...), (array) ($_POST['settings'] ?? []));
    $secrets = array_filter($host->app(APP)->settings, static fn ($setting): bool => $setting->kind === 'secret');
    foreach (array_column($secrets, 'name') as $name) {
        if (($given[$name] ?? '') === '') {
            unset($given[$name]);
        }
    }
    $host->putApp(APP, $given);
    go('/');
}

function connect(Host $host): never
{
    // The same session must begin and complete the connect.
    $callback = 'http://' . $_SERVER['HTTP_HOST'] . '/callback';
    $next = $host->connect(APP, session_id(), $callback, chooseAccount: true);
    go($next instanceof Redirect ? $next->url : '/');
}

function callback(Host $host): never
{
    $found = $host->completeConnect((string) $_SERVER['QUERY_STRING'], session_id());
    go($found instanceof Channel ? '/channel?id=' . rawurlencode($found->id) : '/');
}

function channel(Host $host): never
{
    $channel = $host->channel((string) ($_GET['id'] ?? ''));
    $profile = $channel->profile();
    $stats = $channel->stats();
    $numbers = '';
    foreach (['followers', 'following', 'likes', 'posts'] as $name) {
        $value = $stats->$name === null ? '?' : number_format($stats->$name);
        $numbers .= "<span><b>$value</b>$name</span>";
    }
    $rows = '';
    foreach ($channel->posts(5)->posts as $post) {
        $rows .= '<tr><td><a href="' . e($post->url) . '">' . e($post->title ?? $post->id) . '</a><td>'
            . e($post->stats->views) . '<td>' . e($post->stats->likes);
    }
    $id = e($channel->id);
    $token = token();
    show($profile->displayName, '<p>@' . e($profile->username) . ': ' . e($profile->bio)
        . "<p class=numbers>$numbers<p><a href=\"/publish?id=$id\">Publish a video</a>"
        . "<table><tr><th>Video<th>Views<th>Likes$rows</table>"
        . "<form method=post action=/disconnect>$token<input type=hidden name=id value=\"$id\">"
        . '<p><button>Disconnect</button></form>');
}

function publishPage(Host $host): never
{
    $channel = $host->channel((string) ($_GET['id'] ?? ''));
    $form = $channel->publishForm();
    if ($form->blocked !== null) {
        show('Publish', '<p class=error>' . e($form->blocked->message) . '<br>' . e($form->blocked->remedy));
    }
    $fields = implode('', array_map(field(...), fields($form)));
    $quotas = '';
    foreach ($form->quotas as $quota) {
        $quotas .= '<li>' . e($quota->name) . ': ' . e($quota->used) . ' of ' . e($quota->maximum);
    }
    $known = json_encode($form, JSON_HEX_TAG | JSON_HEX_AMP | JSON_THROW_ON_ERROR);
    // The rules are those of the service's own pages; form.js is this page's.
    $script = file_get_contents(__DIR__ . '/rules.js') . file_get_contents(__DIR__ . '/form.js');
    $token = token();
    $id = e($channel->id);
    show('Publish as ' . $form->accountName, <<<HTML
        <form method=post action=/publish enctype="multipart/form-data" id=form>
          $token<input type=hidden name=id value="$id"><input type=hidden name=kind value=video>
          <label>Video *<br><input type=file name=video accept="video/*" required></label>
          $fields
          <div id=notices></div><input type=hidden name=words id=words>
          <button id=publish>Publish</button>
        </form><ul>$quotas</ul>
        <script type=module nonce="page">const form = $known;\n$script</script>
        HTML);
}

/** @return list<Field> the fields of a video; other kinds may have fields with the same names */
function fields(PublishForm $form): array
{
    return array_values(array_filter(
        $form->fields,
        static fn (Field $field): bool => $field->appliesTo === [] || in_array('video', $field->appliesTo, true),
    ));
}

function field(Field $field): string
{
    $name = 'fields[' . e($field->name) . ']';
    $about = 'data-field="' . e($field->name) . '"';
    $required = $field->required ? ' required' : '';
    $star = $field->required ? ' *' : '';
    $default = $field->defaultValue;
    $text = is_scalar($default) ? e((string) $default) : '';
    $input = match ($field->kind) {
        'boolean' => "<input type=checkbox name=\"$name\" value=true" . ($default === true ? ' checked' : '') . '>',
        'number' => "<input type=number name=\"$name\" value=\"$text\"$required>",
        'choice' => "<select name=\"$name\"$required><option value=''></option>" . implode('', array_map(
            static fn ($choice): string => '<option value="' . e($choice->value) . '"'
                . ($choice->value === $default ? ' selected' : '') . '>' . e($choice->label) . '</option>',
            $field->choices,
        )) . '</select>',
        default => "<textarea name=\"$name\" rows=2$required>$text</textarea>",
    };
    $head = $field->kind === 'boolean' ? "$input " . e($field->label) : e($field->label) . "$star<br>$input";
    return "<label $about>$head<br><small>" . e($field->help) . '</small></label>';
}

function publish(Host $host): never
{
    $channel = $host->channel((string) ($_POST['id'] ?? ''));
    $given = $_FILES['video'] ?? ['error' => UPLOAD_ERR_NO_FILE];
    if ($given['error'] !== UPLOAD_ERR_OK) {
        show('Publish', '<p class=error>The video did not arrive (PHP says ' . e($given['error'])
            . '). Is it larger than upload_max_filesize or post_max_size?');
    }
    // PHP removes uploaded files when the request ends, but the job needs them until it has ended.
    $video = data() . '/videos/' . bin2hex(random_bytes(8)) . '.mp4';
    is_dir(dirname($video)) || mkdir(dirname($video), 0o700, true);
    move_uploaded_file($given['tmp_name'], $video);

    [$post, $consent] = post($channel->publishForm());
    foreach ($channel->check($post, Media::file($video)) as $finding) {
        if ($finding->severity === Severity::Error) {
            show('Publish', '<p class=error>' . e($finding->message) . '<br>' . e($finding->remedy));
        }
    }
    $job = $channel->publish($post, Media::file($video), idempotencyKey: basename($video), consent: $consent);
    go('/job?id=' . rawurlencode($job->id));
}

/** @return array{Post, array<string, string>} the post, and what the person agreed to */
function post(PublishForm $form): array
{
    $given = (array) ($_POST['fields'] ?? []);
    $values = [];
    foreach (fields($form) as $field) {
        $value = text($given[$field->name] ?? '');
        $values[$field->name] = match ($field->kind) {
            'boolean' => $value === 'true',
            'number' => $value === '' ? null : (int) $value,
            'text-list', 'multi-choice' => array_values(array_filter(explode("\n", $value))),
            default => $value === '' ? null : $value,
        };
    }
    $own = array_flip(['title', 'text', 'visibility']);
    $post = new Post(
        (string) ($_POST['kind'] ?? 'video'),
        $values['title'] ?? null,
        $values['text'] ?? null,
        $values['visibility'] ?? null,
        array_filter(array_diff_key($values, $own), static fn (mixed $it): bool => $it !== null),
    );
    $consent = ['by' => session_id() === '' ? 'nobody' : hash('sha256', session_id()), 'at' => gmdate('c')];
    $words = (string) ($_POST['words'] ?? '');
    return [$post, $consent + ($words === '' ? [] : ['words' => $words])];
}

function job(Host $host): never
{
    $job = $host->job((string) ($_GET['id'] ?? ''));
    if (isset($_GET['json'])) {
        header('Content-Type: application/json');
        echo json_encode(['progress' => $job->progress(), 'ended' => $job->hasEnded()] + $job->toArray());
        exit;
    }
    $script = (string) file_get_contents(__DIR__ . '/job.js');
    show('Publish', '<p id=phase>' . e($job->phase) . '<p><progress id=progress max=1 value="' . e($job->progress())
        . '"></progress><p id=figures><p id=link><p id=error>' . "<script nonce=\"page\">$script</script>");
}

function jobs(Host $host): never
{
    $rows = implode('', array_map(
        static fn (Job $job): string => '<tr><td><a href="/job?id=' . e($job->id) . '">' . e($job->post->text ?? $job->id)
            . '</a><td>' . e($job->status->value) . '<td>' . e(gmdate('Y-m-d H:i', $job->createdAt))
            . '<td>' . e($job->error?->message),
        $host->jobs(),
    ));
    show('Jobs', "<table><tr><th>Post<th>Status<th>Stored (UTC)<th>$rows</table>");
}

try {
    $way = $_SERVER['REQUEST_METHOD'] . ' ' . parse_url((string) $_SERVER['REQUEST_URI'], PHP_URL_PATH);
    // Another site's page may send a request through the browser, but it does not know the token.
    if (!str_starts_with($way, 'GET ') && !hash_equals($_SESSION['token'], (string) ($_POST['token'] ?? ''))) {
        http_response_code(403);
        show('Not allowed', '<p class=error>The form is too old, or the request was larger than post_max_size.');
    }
    $host = host();
    match ($way) {
        'GET /' => home($host),
        'GET /settings' => settings($host),
        'POST /settings' => saveSettings($host),
        'POST /connect' => connect($host),
        'GET /callback' => callback($host),
        'GET /channel' => channel($host),
        'POST /disconnect' => [$host->channel((string) ($_POST['id'] ?? ''))->disconnect(), go('/')],
        'GET /publish' => publishPage($host),
        'POST /publish' => publish($host),
        'GET /job' => job($host),
        'GET /jobs' => jobs($host),
        default => [http_response_code(404), show('Not found', '<p>There is no such page.')],
    };
} catch (SocialChannelException $error) {
    http_response_code(500);
    $known = $error->error();
    show('That did not work', '<p class=error>' . e($known->message) . '<br>' . e($known->remedy) . '<br><small>'
        . e(implode(' · ', array_filter([$known->kind->value, $known->code, $known->traceId]))) . '</small>');
}
